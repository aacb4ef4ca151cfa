/* What an output is to come close to, of the comparison with the dense model (target.c): W* = W + a R (G + lambda)^-1.
 */
#include "layerwise/layerwise.h"
#include "repair/single_solve.h"

/* What a target's share of the dense model may be off by in single precision, at the very most. */
static const double of_target = 0.05;

pare_status pare_layerwise_correct(pare_layerwise *l, uint32_t layer, pare_input_kind kind, float *weights) {
    char name[96];
    pare_fit fit;
    pare_least_squares problem = {.rows = l->hidden,
                                  .columns = {.gram = l->statistics[kind].gram,
                                              .width = pare_input_width(l->model, layer, kind),
                                              .damping = l->asked.damping,
                                              .what = pare_input_name(layer, kind, name, sizeof name)},
                                  .cross = l->cross};
    bool solved = false;
    if (pare_single_solve_serves(&problem.columns, of_target))
        PARE_TRY(pare_single_solve(&problem.columns, l->cross, l->hidden, &solved));
    if (!solved) return pare_least_squares_solve(&problem, weights, &fit);
    int64_t count = l->hidden * problem.columns.width;
    for (int64_t i = 0; i < count; i++)
        weights[i] += l->cross[i];
    return PARE_OK;
}

pare_work pare_layerwise_correct_work(const pare_layerwise_request *request, int64_t width) {
    const pare_damped columns = {.width = width, .damping = request->damping};
    int64_t rows = (int64_t)request->source->model->config.hidden;
    return pare_single_solve_serves(&columns, of_target) ? pare_single_solve_work(rows, width)
                                                         : pare_least_squares_work(rows, width, width);
}

uint64_t pare_layerwise_correct_bytes(const pare_layerwise_request *request, int64_t width) {
    const pare_damped columns = {.width = width, .damping = request->damping};
    int64_t rows = (int64_t)request->source->model->config.hidden;
    return pare_single_solve_serves(&columns, of_target) ? pare_single_solve_bytes(width)
                                                         : pare_least_squares_bytes(rows, width);
}
