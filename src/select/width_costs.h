/* What widths cost: parameters, or, with curves of measured times, time per token. */
#ifndef PARE_SELECT_WIDTH_COSTS_H
#define PARE_SELECT_WIDTH_COSTS_H

#include "model/model.h"

enum { PARE_COST_POINTS = 9 };

/* Of one half of a block, by its width: straight between the points. */
typedef struct pare_cost_curve {
    uint32_t count;                   /* at least 2 */
    uint32_t width[PARE_COST_POINTS]; /* rising, from 0 on */
    uint64_t time[PARE_COST_POINTS];  /* picoseconds, never falling, from 0 on */
} pare_cost_curve;

typedef struct pare_width_costs {
    uint64_t rest;                  /* picoseconds of all that is in no half */
    pare_cost_curve attention, ffn; /* by KV groups, by channels */
} pare_width_costs;

/* In picoseconds; beyond the last point as at it. */
uint64_t pare_curve_cost(const pare_cost_curve *curve, uint32_t width);

/* Of the whole model at these widths [layers]: picoseconds; costs NULL: parameters. */
uint64_t pare_width_cost(const pare_width_costs *costs, const pare_model *model, const pare_widths *widths);

#endif
