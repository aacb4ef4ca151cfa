/* Which units go: how many in each layer, then the lowest-scoring ones of the layer. */
#ifndef PARE_SELECT_SELECT_H
#define PARE_SELECT_SELECT_H

#include "importance/scores.h"
#include "select/selection.h"

typedef struct pare_target {
    double ratio;                    /* share of units of each layer in the range */
    uint64_t parameters;             /* target total; 0: use ratio */
    uint32_t layer_begin, layer_end; /* half-open */
    uint32_t round_to;               /* kept FFN widths are rounded up to a multiple; 0: not */
} pare_target;

/* Parameters of the model with these widths. */
uint64_t pare_parameters_with(const pare_model *model, const pare_widths *widths);

/* widths: [layers] what is kept. Rounding as in the reference: of n indices, n - trunc(n (1 - ratio)) go; heads: whole
 * heads of that, rounded down; channels: exactly. With `parameters`, target->ratio is solved for: the smallest that
 * reaches it. Fails if a layer would be left without a head or a channel, or the target cannot be reached. */
pare_status pare_widths_after(const pare_model *model, pare_target *target, pare_widths *widths);

/* Keeps the highest scores in each layer; of equal ones the lower index goes first. */
pare_status pare_select_local(const pare_model *model, const pare_unit_scores *scores, const pare_widths *widths,
                              pare_selection *out);

#endif
