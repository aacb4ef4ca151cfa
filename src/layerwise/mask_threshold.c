#include "layerwise/dense_statistics.h"
#include "support/memory.h"

typedef struct threshold {
    pare_global_threshold found;
    double asked;
} threshold;

static pare_status see(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                       void *context) {
    threshold *t = context;
    size_t id = pare_tensor_id(layer, role);
    int64_t count, rows, columns;
    (void)s;
    t->asked = w->sparsity[id];
    PARE_TRY(pare_dense_statistics_score(w, layer, role, w->job->recipe->salience, &count));
    if (t->found.pass < 2) {
        pare_global_threshold_see(&t->found, w->scores, count);
        return PARE_OK;
    }
    pare_tensor_matrix(w->l.model->tensors[id], &rows, &columns);
    PARE_TRY(pare_element_mask_new(rows, columns, &w->given[id]));
    pare_global_select(&t->found, w->scores, &w->given[id]);
    return PARE_OK;
}

pare_status pare_mask_by_threshold(pare_weight_walk *w, pare_dense_statistics *s) {
    threshold t = {0};
    PARE_TRY(pare_alloc(&w->given, w->l.model->tensor_count, sizeof *w->given, "masks"));
    PARE_TRY(pare_global_threshold_new(&t.found));
    pare_status status = PARE_OK;
    for (int pass = 0; pass < 3 && status == PARE_OK; pass++) {
        status = pare_dense_statistics_visit(w, s, see, &t);
        if (status == PARE_OK && pass < 2) status = pare_global_threshold_pass(&t.found, t.asked);
    }
    pare_global_threshold_free(&t.found);
    return status;
}
