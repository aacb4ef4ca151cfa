/* The entropy of the model's own output, H = -sum p log p over the vocabulary, as what a backward is the gradient of:
 * it needs no next token to compare with (HFPrune, arXiv 2603.08083). */
#ifndef PARE_CALIBRATE_ENTROPY_H
#define PARE_CALIBRATE_ENTROPY_H

#include "model/objective.h"

extern const pare_objective pare_entropy; /* mean over the same tokens as the loss */

#endif
