/* Weights that a pruning made zero, and that a training or a merge does not leave zero. */
#ifndef PARE_RECOVER_ZEROS_H
#define PARE_RECOVER_ZEROS_H

#include "checkpoint/scan.h"
#include "train/trained.h"

/* Share of zeros in the matrices that `trained` changes, if one of them at least was pruned (has 1 % or more of them: a
 * dense one has next to none); else 0. */
double pare_zeros_share(const pare_trained *trained, const pare_scan *scan);

#endif
