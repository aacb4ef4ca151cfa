/* What must be known of all layers before the first is pruned: how many weights each matrix loses, and masks by one
 * threshold for the whole model. Everything here looks at the dense model, whose inputs do not depend on any mask. */
#include "layerwise/layerwise_allocate.h"
#include "support/memory.h"

void pare_dense_statistics_free(pare_dense_statistics *s, uint32_t layers) {
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            if (s->inputs) pare_input_moments_free(&s->inputs[layer][kind]);
            if (s->inverse) pare_free(s->inverse[layer][kind]);
        }
        for (int role = 0; s->outputs && role < PARE_MATRIX_ROLES; role++)
            pare_free(s->outputs[layer][role]);
    }
    pare_free(s->inputs);
    pare_free(s->inverse);
    pare_free(s->outputs);
}

/* Between the run's own state and the archive: what one layer has shown. */
static void exchange(pare_layerwise *l, pare_dense_statistics *s, uint32_t layer) {
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        pare_input_moments moments = l->statistics[kind].moments;
        l->statistics[kind].moments = s->inputs[layer][kind];
        s->inputs[layer][kind] = moments;
    }
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        double *outputs = l->outputs[role];
        l->outputs[role] = s->outputs[layer][role];
        s->outputs[layer][role] = outputs;
    }
}

/* [width] diagonals of the inverse Gram matrices: [H^-1]_ii = sum over k of U_ki^2. */
static pare_status keep_inverse(pare_layerwise *l, uint32_t layer, pare_input_kind kind, float **out) {
    const pare_inverse_factor *factor;
    if (!l->statistics[kind].gram) return PARE_OK;
    PARE_TRY(pare_layerwise_factor(l, layer, kind, &factor));
    PARE_TRY(pare_alloc(out, (size_t)factor->n, sizeof **out, "inverse diagonal"));
    for (int64_t row = 0; row < factor->n; row++)
        for (int64_t column = row; column < factor->n; column++) {
            float value = factor->upper[row * factor->n + column];
            (*out)[column] += value * value;
        }
    return PARE_OK;
}

static pare_status look_at_layer(pare_layerwise *l, uint32_t layer, pare_dense_statistics *s) {
    l->block = pare_walk_block(&l->walk, layer);
    PARE_TRY(pare_layerwise_watch(l, layer, PARE_ALL_INPUTS));
    PARE_TRY(pare_layerwise_observe(l));
    for (int kind = 0; kind < PARE_INPUT_KINDS && l->needs.gram; kind++)
        PARE_TRY(keep_inverse(l, layer, (pare_input_kind)kind, &s->inverse[layer][kind]));
    exchange(l, s, layer);
    pare_layerwise_forget(l);
    return PARE_OK;
}

pare_status pare_dense_statistics_gather(pare_layerwise *l, pare_dense_statistics *s) {
    uint32_t layers = l->model->config.layers;
    *s = (pare_dense_statistics){0};
    PARE_TRY(pare_alloc(&s->inputs, layers, sizeof *s->inputs, "input norms"));
    PARE_TRY(pare_alloc(&s->inverse, layers, sizeof *s->inverse, "inverse diagonals"));
    PARE_TRY(pare_alloc(&s->outputs, layers, sizeof *s->outputs, "output norms"));
    if (!pare_element_walks(l->job->recipe)) return PARE_OK;
    PARE_TRY(pare_layerwise_embed(l));
    for (uint32_t layer = 0; layer < layers; layer++)
        PARE_TRY(look_at_layer(l, layer, s));
    return PARE_OK;
}

pare_status pare_dense_statistics_visit(pare_layerwise *l, pare_dense_statistics *s, pare_dense_visit_fn visit,
                                        void *context) {
    for (uint32_t layer = 0; layer < l->model->config.layers; layer++) {
        pare_status status = PARE_OK;
        exchange(l, s, layer);
        for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++)
            if (l->job->pruned[pare_tensor_id(layer, (pare_role)role)])
                status = visit(l, s, layer, (pare_role)role, context);
        exchange(l, s, layer);
        PARE_TRY(status);
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

pare_status pare_dense_statistics_score(pare_layerwise *l, uint32_t layer, pare_role role,
                                        const pare_salience *salience, int64_t *count) {
    size_t id = pare_tensor_id(layer, role);
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[id], &rows, &columns);
    *count = rows * columns;
    pare_source_rows(l->job->source, id, 0, rows, l->dense);
    return pare_matrix_score(l, layer, role, salience, l->dense, l->scores);
}

typedef struct allocator {
    pare_status (*run)(pare_layerwise *l, pare_dense_statistics *s); /* NULL: there is nothing to settle */
    bool gram;                                                       /* it reads Gram matrices */
} allocator;

static const allocator by_threshold = {pare_mask_by_threshold, false}, nothing = {NULL, false};
static const allocator by_allocation[PARE_ALLOCATION_COUNT] = {
    [PARE_ALLOCATE_OWL] = {pare_allocate_by_outliers, false}, [PARE_ALLOCATE_COST] = {pare_allocate_by_costs, true}};

/* What costs say gives way to shares that were named. */
static const allocator *allocator_of(const pare_layerwise *l) {
    const pare_element_recipe *e = l->recipe;
    if (l->job->of) return &nothing;
    if (e->compare == PARE_COMPARE_GLOBAL) return &by_threshold;
    return l->job->fixed && pare_allocation_has(e->allocation, PARE_TRAIT_COSTS) ? &nothing
                                                                                 : &by_allocation[e->allocation];
}

bool pare_layerwise_allocates(const pare_layerwise *l) {
    return allocator_of(l)->run != NULL;
}

pare_status pare_layerwise_allocate(pare_layerwise *l) {
    const allocator *settle = allocator_of(l);
    pare_element_needs needs = l->needs;
    pare_dense_statistics s = {0};
    if (!settle->run) return PARE_OK;
    l->needs.gram = settle->gram;
    pare_status status = pare_dense_statistics_gather(l, &s);
    l->needs = needs;
    if (status == PARE_OK) status = settle->run(l, &s);
    pare_dense_statistics_free(&s, l->model->config.layers);
    return status;
}
