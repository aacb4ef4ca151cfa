/* Gradients of noisy weights, w + z with z ~ N(0, (sigma |w|)^2) per element: the same noise as in the Moreau
 * iteration.
 *
 * SmoothGrad takes the absolute value inside the expectation, E |w dL/dw (w + z)|: every draw's dW is scored at once
 * and nothing is kept (pare_smooth_passes). The smoothed gradient takes it outside, |w E dL/dw (w + z)|: its signed
 * mean over the draws is a state of one displacement, except with one draw (pare_smoothed_gradient_run). With its rows
 * at unit root mean square it is what the released group-sparse loop hands on, in closed form. */
#ifndef PARE_CALIBRATE_SMOOTH_H
#define PARE_CALIBRATE_SMOOTH_H

#include "checkpoint/state_file.h"
#include "model/pass.h"

enum { PARE_SMOOTH_DRAWS = 100 }; /* of SmoothGrad (MoreauPruner, appendix on implementation details) */

/* After each draw with its loss; a status other than PARE_OK ends the loop with it. */
typedef pare_status (*pare_smooth_draw_fn)(void *context, int32_t draw, double loss);

typedef struct pare_smooth {
    int32_t first;                  /* the draw to begin with, 0 unless an earlier loop is continued */
    int32_t draws;                  /* draws [first, draws) run */
    double sigma;                   /* noise relative to |w| */
    pare_smooth_draw_fn after_draw; /* or NULL */
    void *context;
    /* Of pare_smoothed_gradient_run: where a mean of several draws is kept after each, and taken up; path NULL: it is
     * not. *taken_up, where not NULL: draws that an earlier process has made. */
    pare_state_place kept;
    uint64_t *taken_up;
} pare_smooth;

/* One gradient of the batch `ids` per draw, each handed to the sink; while its rows appear, source->draw is the draw's
 * number and names its noise in stream source->seed. The pass's shape has `composed` set. *loss: mean over the draws
 * that ran. */
pare_status pare_smooth_passes(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_smooth *smooth,
                               const pare_gradient_sink *sink, double *loss);

/* Bytes that pare_smoothed_gradient_run holds beside the pass: `state`, which may lie in a scratch file, and `rows`,
 * which is memory. */
typedef struct pare_smoothed_bytes {
    uint64_t state, rows;
} pare_smoothed_bytes;

/* wanted: [tensor_count] the tensors that the sink wants. */
pare_smoothed_bytes pare_smoothed_gradient_measure(const pare_model *model, const bool *wanted, int32_t draws,
                                                   bool rows_at_unit);

/* The mean of all draws' gradients goes to the sink: with one draw as it appears, else tensor by tensor in the end.
 * rows_at_unit: every row of a matrix is divided by its root mean square first, every element of a vector by its
 * absolute value; what is zero stays zero. first must be 0. scratch: folder of a scratch file, or NULL for memory. */
pare_status pare_smoothed_gradient_run(pare_pass *pass, pare_source *source, const uint32_t *ids,
                                       const pare_smooth *smooth, bool rows_at_unit, const char *scratch,
                                       const pare_gradient_sink *sink, double *loss);

#endif
