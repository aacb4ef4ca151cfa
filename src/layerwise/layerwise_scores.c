/* Scores of the dense model, for what is decided before any matrix is pruned. */
#include "layerwise/layerwise_allocate.h"
#include "support/memory.h"

typedef struct showing {
    const pare_scores_visitor *visitor;
    int pass;
} showing;

static pare_status show(pare_layerwise *l, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                        void *context) {
    const showing *now = context;
    pare_matrix_scores matrix = {.layer = layer, .role = role, .scores = l->scores, .room = l->weights};
    int64_t count;
    (void)s;
    PARE_TRY(pare_dense_statistics_score(l, layer, role, l->job->recipe->salience, &count));
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(layer, role)], &matrix.rows, &matrix.columns);
    PARE_TRY(now->visitor->visit(now->visitor->context, now->pass, &matrix));
    return pare_layerwise_step(l);
}

static uint64_t matrices(const pare_layerwise *l) {
    uint64_t count = 0;
    for (size_t id = 0; id < l->model->tensor_count; id++)
        count += l->job->pruned[id];
    return count;
}

static pare_status show_all(pare_layerwise *l, pare_dense_statistics *s, const pare_scores_visitor *visitor) {
    uint64_t batches = (uint64_t)((l->job->sequences + l->micro_batch - 1) / l->micro_batch);
    uint64_t looks = pare_element_walks(l->job->recipe) ? (l->model->config.layers + 1) * batches : 0;
    l->total = looks + (uint64_t)visitor->passes * matrices(l);
    PARE_TRY(pare_dense_statistics_gather(l, s));
    l->done = looks;
    for (int pass = 0; pass < visitor->passes; pass++) {
        showing now = {visitor, pass};
        PARE_TRY(pare_dense_statistics_visit(l, s, show, &now));
        PARE_TRY(visitor->finish(visitor->context, pass));
    }
    return PARE_OK;
}

pare_status pare_layerwise_scores(const pare_layerwise_job *job, const pare_scores_visitor *visitor) {
    pare_layerwise l;
    pare_repaired none = {0};
    pare_dense_statistics s = {0};
    PARE_TRY(pare_layerwise_set_up(job, &none, &l));
    pare_status status = show_all(&l, &s, visitor);
    pare_dense_statistics_free(&s, l.model->config.layers);
    pare_layerwise_clear(&l);
    pare_repaired_free(&none);
    return status;
}
