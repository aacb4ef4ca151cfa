#ifndef PARE_IMPORTANCE_REDUCE_STANDARD_H
#define PARE_IMPORTANCE_REDUCE_STANDARD_H

#include "importance/scores.h"

/* Heads, query heads and channels of a layer by the standardised scores of O and Down: PARE_REDUCE_STANDARD. */
void pare_reduce_standard(const pare_index_scores *indices, uint32_t layer, pare_unit_scores *out);

#endif
