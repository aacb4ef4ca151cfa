/* How signals are measured: one row each. What the rest of a method asks of them: method/signal.h. */
#ifndef PARE_SCORE_SIGNALS_H
#define PARE_SCORE_SIGNALS_H

#include "score/score_internal.h"

typedef struct pare_signal_row {
    /* What the pass must keep for it; NULL: no pass is shaped for it. */
    void (*shape)(const pare_recipe *recipe, pare_pass_shape *shape);
    /* Bytes that it holds beside the pass, in a scratch file if they do not fit; NULL: none. */
    uint64_t (*state)(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan);
    /* Fills in the plan all that it takes, in place of the pass of that shape; NULL: it is that pass. */
    pare_status (*measure)(const pare_signal_sizes *sizes, pare_calibration_plan *plan);
    /* Fills the scoring's sets, or out->scores.layer, and out->loss. NULL: weights are scored by themselves. */
    pare_status (*run)(pare_scoring *scoring, pare_score_result *out);
} pare_signal_row;

const pare_signal_row *pare_signal_row_of(pare_signal signal);

#endif
