/* The threshold level of a Moreau iteration as a quantile of its first gradient. The sample is the L2 norm of every row
 * (group), or a histogram of all absolute values (l1). */
#ifndef PARE_CALIBRATE_MOREAU_LEVEL_H
#define PARE_CALIBRATE_MOREAU_LEVEL_H

#include "calibrate/moreau.h"

/* PARE_BAD_ARGUMENT unless eta_quantile is 0, or in (0, 1) with a prox that it means something to. */
pare_status pare_level_check(const pare_moreau *moreau);

/* Of the sample; 0 without a quantile. */
uint64_t pare_level_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau);

/* Adds n absolute values to the l1 sample. */
void pare_level_add(const pare_scratch *sample, const float *values, int64_t n);

/* The level in units of the sample, which is used up: `rows` norms of the group sample, or the l1 sample as it is. */
double pare_level_find(const pare_moreau *moreau, const pare_scratch *sample, uint64_t rows);

#endif
