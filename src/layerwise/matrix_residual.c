/* What a matrix has lost, as an adapter beside it. */
#include "layerwise/weights_internal.h"
#include "repair/low_rank.h"

pare_status pare_matrix_keep_residual(pare_matrix_job *m) {
    pare_weight_walk *w = m->w;
    pare_trained *trained = w->job->residual;
    pare_lora_factors factors = trained ? pare_lora_factors_of(trained, m->place.id) : (pare_lora_factors){0};
    if (!factors.rank) return PARE_OK;
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        w->scores[i] = w->dense[i] - w->weights[i];
    pare_residual_problem problem = {.residual = w->scores,
                                     .gram = m->place.inputs->gram,
                                     .rows = m->rows,
                                     .columns = m->columns,
                                     .rank = factors.rank,
                                     .a = trained->value + factors.a,
                                     .b = trained->value + factors.b};
    PARE_TRY(pare_low_rank_fit(&problem));
    m->result->residual_before = problem.before;
    m->result->residual_after = problem.after;
    return PARE_OK;
}
