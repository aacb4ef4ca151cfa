/* What is left of each half of each layer at several widths: one greedy removal of its units passes through all of
 * them, and at each the weights of the output matrix are the least-squares ones for what is left (select/obs.h). So one
 * walk over the model yields a choice of widths for every half, of which any combination can be put together. */
#ifndef PARE_LAYERWISE_UNIT_LEVELS_H
#define PARE_LAYERWISE_UNIT_LEVELS_H

#include "model/model.h"
#include "repair/stage_fit.h"
#include "select/obs.h"
#include "support/scratch.h"

enum { PARE_MOST_LEVELS = 16 };

/* One half of a layer. */
typedef struct pare_level_part {
    uint32_t count; /* of widths, the widest first; 0: this half stays as it is */
    uint32_t width[PARE_MOST_LEVELS];
    double error[PARE_MOST_LEVELS];   /* that the walk found; never falling */
    void *matrix[PARE_MOST_LEVELS];   /* [d, columns left] as it will be stored, in `memory` */
    uint32_t *kept[PARE_MOST_LEVELS]; /* [width] KV groups or channels, ascending, in `memory` */
} pare_level_part;

typedef struct pare_unit_levels {
    const pare_model *model;
    pare_level_part (*part)[PARE_STAGES]; /* [layers] */
    pare_scratch memory;
} pare_unit_levels;

/* No half has a level yet: the caller fills in counts and widths, then makes room. Free with pare_unit_levels_free. */
pare_status pare_unit_levels_new(const pare_model *model, pare_unit_levels *out);
void pare_unit_levels_free(pare_unit_levels *levels);

/* Bytes of matrices and lists of these widths, and room for them; scratch as in pare_scratch_open. */
uint64_t pare_unit_levels_bytes(const pare_unit_levels *levels);
pare_status pare_unit_levels_open(pare_unit_levels *levels, const char *scratch);

/* Bytes of the matrix of level `index`. */
uint64_t pare_unit_level_bytes(const pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t index);

/* The index of a width; count where it is none of the part's. */
uint32_t pare_level_of_width(const pare_level_part *part, uint32_t width);

/* Level `index` of a half, from what obs has left. */
pare_status pare_unit_levels_keep(pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t index,
                                  const pare_obs *obs);

#endif
