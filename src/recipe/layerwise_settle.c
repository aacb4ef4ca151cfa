/* What must be known of all layers before the first is pruned: sparsities by outliers, and masks by one threshold for
 * the whole model. Both look at the dense model: its inputs do not depend on any mask. */
#include "recipe/layerwise_internal.h"
#include "select/owl.h"
#include "support/memory.h"

#include <string.h>

/* Norms of all inputs and outputs of the dense model. */
typedef struct sights {
    pare_input_moments (*inputs)[PARE_INPUT_KINDS]; /* [layers] */
    double *(*outputs)[PARE_MATRIX_ROLES];          /* [layers] */
} sights;

typedef pare_status (*visit_fn)(pare_layerwise *l, uint32_t layer, pare_role role, void *context);

static void sights_free(sights *s, uint32_t layers) {
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (int kind = 0; s->inputs && kind < PARE_INPUT_KINDS; kind++)
            pare_input_moments_free(&s->inputs[layer][kind]);
        for (int role = 0; s->outputs && role < PARE_MATRIX_ROLES; role++)
            pare_free(s->outputs[layer][role]);
    }
    pare_free(s->inputs);
    pare_free(s->outputs);
}

/* Between the run's own state and the archive: what one layer has shown. */
static void exchange(pare_layerwise *l, sights *s, uint32_t layer) {
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        pare_input_moments moments = l->sight[kind].moments;
        l->sight[kind].moments = s->inputs[layer][kind];
        s->inputs[layer][kind] = moments;
    }
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        double *outputs = l->outputs[role];
        l->outputs[role] = s->outputs[layer][role];
        s->outputs[layer][role] = outputs;
    }
}

static pare_status look_at_all(pare_layerwise *l, sights *s) {
    uint32_t layers = l->model->config.layers;
    PARE_TRY(pare_alloc(&s->inputs, layers, sizeof *s->inputs, "input norms"));
    PARE_TRY(pare_alloc(&s->outputs, layers, sizeof *s->outputs, "output norms"));
    if (!pare_element_walks(l->job->recipe)) return PARE_OK;
    PARE_TRY(pare_layerwise_embed(l));
    for (uint32_t layer = 0; layer < layers; layer++) {
        l->block = pare_walk_block(&l->walk, layer);
        PARE_TRY(pare_layerwise_watch(l, layer, PARE_ALL_INPUTS));
        PARE_TRY(pare_layerwise_look(l, true));
        exchange(l, s, layer);
        pare_layerwise_forget(l);
    }
    return PARE_OK;
}

static pare_status visit_all(pare_layerwise *l, sights *s, visit_fn visit, void *context) {
    for (uint32_t layer = 0; layer < l->model->config.layers; layer++) {
        pare_status status = PARE_OK;
        exchange(l, s, layer);
        for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++)
            if (l->job->pruned[pare_tensor_id(layer, (pare_role)role)])
                status = visit(l, layer, (pare_role)role, context);
        exchange(l, s, layer);
        PARE_TRY(status);
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

/* l->scores of the dense matrix; *count: its elements. */
static pare_status score(pare_layerwise *l, uint32_t layer, pare_role role, const pare_salience *salience,
                         int64_t *count) {
    size_t id = pare_tensor_id(layer, role);
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[id], &rows, &columns);
    *count = rows * columns;
    pare_source_rows(l->job->source, id, 0, rows, l->dense);
    return pare_matrix_score(l, layer, role, salience, l->dense, l->scores);
}

typedef struct outliers {
    pare_outliers *layers;
    bool counting;
} outliers;

static pare_status see_outliers(pare_layerwise *l, uint32_t layer, pare_role role, void *context) {
    outliers *o = context;
    int64_t count;
    PARE_TRY(score(l, layer, role, &pare_salience_activation, &count));
    if (o->counting)
        pare_outliers_count(&o->layers[layer], l->recipe->owl_times, l->scores, count);
    else
        pare_outliers_sum(&o->layers[layer], l->scores, count);
    return PARE_OK;
}

/* Layers of which nothing is pruned take no part. */
static pare_status spread_by_outliers(pare_layerwise *l, sights *s) {
    uint32_t layers = l->model->config.layers, count = 0;
    outliers o = {0};
    double *shares = NULL;
    PARE_TRY(pare_alloc(&o.layers, layers, sizeof *o.layers, "outliers"));
    pare_status status = pare_alloc(&shares, layers, sizeof *shares, "sparsities");
    if (status == PARE_OK) status = visit_all(l, s, see_outliers, &o);
    o.counting = true;
    if (status == PARE_OK) status = visit_all(l, s, see_outliers, &o);
    for (uint32_t i = 0; i < layers && status == PARE_OK; i++)
        if (o.layers[i].count) o.layers[count++] = o.layers[i];
    if (status == PARE_OK) pare_owl_sparsities(o.layers, count, l->sparsity[0], l->recipe->owl_lambda, shares);
    for (uint32_t i = 0, at = 0; i < layers && status == PARE_OK; i++)
        if (pare_layerwise_prunes(l, i, PARE_ALL_INPUTS)) l->sparsity[i] = shares[at++];
    pare_free(o.layers);
    pare_free(shares);
    return status;
}

static pare_status see_threshold(pare_layerwise *l, uint32_t layer, pare_role role, void *context) {
    pare_global_threshold *threshold = context;
    int64_t count;
    PARE_TRY(score(l, layer, role, l->job->recipe->salience, &count));
    if (threshold->pass < 2) {
        pare_global_threshold_see(threshold, l->scores, count);
        return PARE_OK;
    }
    size_t id = pare_tensor_id(layer, role);
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[id], &rows, &columns);
    PARE_TRY(pare_element_mask_new(rows, columns, &l->given[id]));
    pare_global_select(threshold, l->scores, &l->given[id]);
    return PARE_OK;
}

static pare_status compare_globally(pare_layerwise *l, sights *s) {
    pare_global_threshold threshold;
    PARE_TRY(pare_alloc(&l->given, l->model->tensor_count, sizeof *l->given, "masks"));
    PARE_TRY(pare_global_threshold_new(&threshold));
    pare_status status = PARE_OK;
    for (int pass = 0; pass < 3 && status == PARE_OK; pass++) {
        status = visit_all(l, s, see_threshold, &threshold);
        if (status == PARE_OK && pass < 2) status = pare_global_threshold_pass(&threshold, l->sparsity[0]);
    }
    pare_global_threshold_free(&threshold);
    return status;
}

pare_status pare_layerwise_settle(pare_layerwise *l) {
    bool global = l->recipe->compare == PARE_COMPARE_GLOBAL && !l->job->of;
    bool owl = l->recipe->allocation == PARE_ALLOCATE_OWL;
    sights s = {0};
    if (!global && !owl) return PARE_OK;
    bool gram = l->needs.gram;
    l->needs.gram = false;
    pare_status status = look_at_all(l, &s);
    l->needs.gram = gram;
    if (status == PARE_OK && owl) status = spread_by_outliers(l, &s);
    if (status == PARE_OK && global) status = compare_globally(l, &s);
    sights_free(&s, l->model->config.layers);
    return status;
}
