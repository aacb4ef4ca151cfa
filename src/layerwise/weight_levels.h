/* What is left of each pruned matrix at several shares of zeros: the walk that prunes single weights makes all of them
 * of the inputs that it has, and goes on with one. */
#ifndef PARE_LAYERWISE_WEIGHT_LEVELS_H
#define PARE_LAYERWISE_WEIGHT_LEVELS_H

#include "model/model.h"
#include "support/scratch.h"

enum { PARE_SHARE_LEVELS = 7 };

typedef struct pare_weight_levels {
    const pare_model *model;
    const bool *pruned;                 /* [tensor_count] */
    uint32_t count;                     /* of levels, the least share first */
    double offset[PARE_SHARE_LEVELS];   /* to the share that a matrix has in the walk; one of them is 0 */
    void *(*matrix)[PARE_SHARE_LEVELS]; /* [tensor_count] as it will be written, in `memory` */
    pare_scratch memory;
} pare_weight_levels;

/* Shares up to `reach` away from what they are. Free with pare_weight_levels_free. */
pare_status pare_weight_levels_new(const pare_model *model, const bool *pruned, double reach, pare_weight_levels *out);
void pare_weight_levels_free(pare_weight_levels *levels);
/* A matrix's share at level `index`, of what it is in the walk: never below 0, and below 1 unless that is not. */
double pare_weight_level_share(const pare_weight_levels *levels, uint32_t index, double share);

/* Bytes of all matrices, and room for them; scratch as in pare_scratch_open. */
uint64_t pare_weight_levels_bytes(const pare_weight_levels *levels);
pare_status pare_weight_levels_open(pare_weight_levels *levels, const char *scratch);

/* The matrix of a tensor at level `index`: values [rows, columns]. */
void pare_weight_levels_keep(pare_weight_levels *levels, size_t id, uint32_t index, const float *values);

#endif
