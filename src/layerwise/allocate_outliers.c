#include "layerwise/dense_statistics.h"
#include "select/owl.h"
#include "support/memory.h"

typedef struct outliers {
    pare_outliers *layers;
    bool counting;
} outliers;

static pare_status see(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                       void *context) {
    outliers *o = context;
    int64_t count;
    (void)s;
    PARE_TRY(pare_dense_statistics_score(w, layer, role, &pare_salience_activation, &count));
    if (o->counting)
        pare_outliers_count(&o->layers[layer], w->recipe->owl_times, w->scores, count);
    else
        pare_outliers_sum(&o->layers[layer], w->scores, count);
    return PARE_OK;
}

static pare_status count_outliers(pare_weight_walk *w, pare_dense_statistics *s, outliers *o) {
    PARE_TRY(pare_dense_statistics_visit(w, s, see, o));
    o->counting = true;
    return pare_dense_statistics_visit(w, s, see, o);
}

/* The share asked for: that of any pruned matrix. */
static double asked(const pare_weight_walk *w) {
    for (size_t id = 0; id < w->l.model->tensor_count; id++)
        if (w->job->pruned[id]) return w->sparsity[id];
    return 0.0;
}

/* Layers of which nothing is pruned take no part. */
static void spread(pare_weight_walk *w, pare_outliers *o, double *shares) {
    uint32_t layers = w->l.model->config.layers, count = 0;
    for (uint32_t i = 0; i < layers; i++)
        if (o[i].count) o[count++] = o[i];
    pare_owl_sparsities(o, count, asked(w), w->recipe->owl_lambda, shares);
    for (uint32_t i = 0, at = 0; i < layers; i++) {
        if (!pare_layerwise_concerns(&w->l, i, PARE_ALL_INPUTS)) continue;
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            w->sparsity[pare_tensor_id(i, (pare_role)role)] = shares[at];
        at++;
    }
}

pare_status pare_allocate_by_outliers(pare_weight_walk *w, pare_dense_statistics *s) {
    uint32_t layers = w->l.model->config.layers;
    outliers o = {0};
    double *shares = NULL;
    PARE_TRY(pare_alloc(&o.layers, layers, sizeof *o.layers, "outliers"));
    pare_status status = pare_alloc(&shares, layers, sizeof *shares, "sparsities");
    if (status == PARE_OK) status = count_outliers(w, s, &o);
    if (status == PARE_OK) spread(w, o.layers, shares);
    pare_free(o.layers);
    pare_free(shares);
    return status;
}
