/* How signals are measured: one row each. What the rest of a method asks of them: method/signal.h. */
#ifndef PARE_SCORE_SIGNALS_H
#define PARE_SCORE_SIGNALS_H

#include "model/work.h"
#include "score/score_internal.h"

typedef struct pare_signal_row {
    /* What the pass must keep for it; NULL: no pass is shaped for it. */
    void (*shape)(const pare_recipe *recipe, pare_pass_shape *shape);
    /* Bytes that it holds beside the pass, in a scratch file if they do not fit, at most of one of so many ranks; NULL:
     * none. */
    uint64_t (*state)(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan, int ranks);
    /* Fills in the plan all that it takes, in place of the pass of that shape; NULL: it is that pass. */
    pare_status (*measure)(const pare_signal_sizes *sizes, pare_calibration_plan *plan);
    /* What it has to do; NULL: next to nothing. */
    pare_work (*work)(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan);
    /* Fills the scoring's sets, or out->scores.layer or expert, and out->loss. NULL: weights are scored by themselves.
     */
    pare_status (*run)(pare_scoring *scoring, pare_score_result *out);
} pare_signal_row;

const pare_signal_row *pare_signal_row_of(pare_signal signal);

/* The works of the rows (signal_work.c): a backward; one for every step or draw, of weights that are displaced or
 * noisy; one of each sample; a forward; and one without each layer. */
pare_work pare_signal_gradient_work(const pare_model *model, const pare_recipe *recipe,
                                    const pare_calibration_plan *plan);
pare_work pare_signal_gates_work(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan);
pare_work pare_signal_steps_work(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan);
pare_work pare_signal_samples_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan);
pare_work pare_signal_forward_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan);
/* A backward without gradients of weights. */
pare_work pare_signal_felt_work(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan);
/* A forward, what all experts make of its tokens, and which of them goes next. */
pare_work pare_signal_errors_work(const pare_model *model, const pare_recipe *recipe,
                                  const pare_calibration_plan *plan);
pare_work pare_signal_removal_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan);

#endif
