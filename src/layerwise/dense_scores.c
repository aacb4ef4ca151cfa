/* Scores of the dense model, for what is decided before any matrix is pruned. */
#include "layerwise/dense_statistics.h"
#include "support/memory.h"

typedef struct showing {
    const pare_scores_visitor *visitor;
    int pass;
} showing;

static pare_status show(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                        void *context) {
    const showing *now = context;
    pare_matrix_scores matrix = {.layer = layer, .role = role, .scores = w->scores, .room = w->weights};
    int64_t count;
    (void)s;
    PARE_TRY(pare_dense_statistics_score(w, layer, role, w->job->recipe->salience, &count));
    pare_tensor_matrix(w->l.model->tensors[pare_tensor_id(layer, role)], &matrix.rows, &matrix.columns);
    PARE_TRY(now->visitor->visit(now->visitor->context, now->pass, &matrix));
    return pare_layerwise_step(&w->l);
}

static uint64_t matrices(const pare_weight_walk *w) {
    uint64_t count = 0;
    for (size_t id = 0; id < w->l.model->tensor_count; id++)
        count += w->job->pruned[id];
    return count;
}

static pare_status show_all(pare_weight_walk *w, pare_dense_statistics *s, const pare_scores_visitor *visitor) {
    uint64_t batches = pare_layerwise_batch_count(&w->l);
    uint64_t looks = pare_weights_walks(w->job) ? (w->l.model->config.layers + 1) * batches : 0;
    w->l.total = looks + (uint64_t)visitor->passes * matrices(w);
    PARE_TRY(pare_dense_statistics_gather(w, &w->l.asked.needs, s));
    w->l.done = looks;
    for (int pass = 0; pass < visitor->passes; pass++) {
        showing now = {visitor, pass};
        PARE_TRY(pare_dense_statistics_visit(w, s, show, &now));
        PARE_TRY(visitor->finish(visitor->context, pass));
    }
    return PARE_OK;
}

pare_status pare_weights_scores(const pare_weights_job *job, const pare_scores_visitor *visitor) {
    pare_weight_walk w;
    pare_repaired none = {0};
    pare_dense_statistics s = {0};
    PARE_TRY(pare_weights_set_up(job, &none, &w));
    pare_status status = show_all(&w, &s, visitor);
    pare_dense_statistics_free(&s, w.l.model->config.layers);
    pare_weights_clear(&w);
    pare_repaired_free(&none);
    return status;
}
