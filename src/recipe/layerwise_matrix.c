/* The way of one matrix: scores, mask, refinement, repair. */
#include "recipe/layerwise_internal.h"
#include "repair/admm.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

/* A matrix on its way. */
typedef struct matrix {
    pare_layerwise *l;
    uint32_t layer;
    pare_role role;
    size_t id;
    int64_t rows, columns;
    pare_input_sight *sight;
    pare_element_target target;
    pare_element_mask mask;
    pare_matrix_result *result;
} matrix;

pare_element_target pare_matrix_target(const pare_layerwise *l, uint32_t layer) {
    return (pare_element_target){.sparsity = l->sparsity[layer],
                                 .keep = l->job->keep,
                                 .of = l->job->of,
                                 .compare = l->recipe->compare,
                                 .slab = l->recipe->slab,
                                 .inclusive = l->recipe->inclusive};
}

static void describe(pare_layerwise *l, uint32_t layer, pare_role role, matrix *m) {
    size_t id = pare_tensor_id(layer, role);
    *m = (matrix){.l = l,
                  .layer = layer,
                  .role = role,
                  .id = id,
                  .sight = &l->sight[pare_input_of(role)],
                  .target = pare_matrix_target(l, layer),
                  .result = &l->results[id]};
    pare_tensor_matrix(l->model->tensors[id], &m->rows, &m->columns);
    *m->result = (pare_matrix_result){.pruned = true,
                                      .rows = m->rows,
                                      .columns = m->columns,
                                      .energy = NAN,
                                      .selected = NAN,
                                      .refined = NAN,
                                      .repaired = NAN,
                                      .expected_before = NAN,
                                      .expected_after = NAN,
                                      .region_first = l->region_first,
                                      .region_last = l->region_last};
}

static bool is_given(const matrix *m) {
    return m->l->given && m->l->given[m->id].word;
}

/* SparseGPT chooses on the way, by the weights as they are then; where whole matrices are compared, by those at first.
 */
static bool chooses_on_the_way(const matrix *m) {
    bool inverse = m->l->job->recipe->salience == &pare_salience_inverse;
    bool slabs = m->target.of || m->target.compare == PARE_COMPARE_SLAB || m->target.compare == PARE_COMPARE_ROW;
    return inverse && slabs && !is_given(m);
}

/* l->weights <- SparseGPT's, and with `choose` the mask. */
static pare_status update(matrix *m, bool choose) {
    const pare_inverse_factor *factor;
    PARE_TRY(pare_layerwise_factor(m->l, m->layer, pare_input_of(m->role), &factor));
    pare_obs_update update = {.factor = factor, .slab = m->l->recipe->slab, .choose = choose ? &m->target : NULL};
    m->result->damped = true;
    m->result->damping = factor->damping;
    return pare_obs_update_run(&update, m->l->weights, &m->mask, NULL);
}

static void restore(const matrix *m) {
    memcpy(m->l->weights, m->l->dense, (size_t)(m->rows * m->columns) * sizeof *m->l->weights);
}

static pare_status choose(matrix *m) {
    pare_layerwise *l = m->l;
    if (is_given(m)) {
        pare_element_mask_copy(&l->given[m->id], &m->mask);
        return PARE_OK;
    }
    if (chooses_on_the_way(m)) return update(m, true);
    PARE_TRY(pare_matrix_score(l, m->layer, m->role, l->job->recipe->salience, l->dense, l->scores));
    return pare_element_select(l->scores, &m->target, &m->mask);
}

/* The layer's error with these weights. */
static pare_status measure(const matrix *m, const float *weights, double *error) {
    if (!m->sight->gram) return PARE_OK;
    double *energy = isnan(m->result->energy) ? &m->result->energy : NULL;
    return pare_layer_error(m->l->dense, weights, m->sight->gram, m->rows, m->columns, error, energy);
}

/* Of the dense weights under the mask. */
static pare_status measure_masked(matrix *m, double *error) {
    if (!m->sight->gram) return PARE_OK;
    restore(m);
    pare_element_mask_apply(&m->mask, m->l->weights);
    return measure(m, m->l->weights, error);
}

static pare_status swap(matrix *m) {
    pare_swap options = {.cycles = m->l->recipe->swap_cycles, .keep = m->target.keep, .of = m->target.of};
    pare_swap_result result;
    PARE_TRY(pare_swap_refine(m->l->dense, m->sight->gram, &options, &m->mask, &result));
    m->result->swaps = result.swaps;
    return PARE_OK;
}

static pare_status grow_and_prune(matrix *m) {
    const pare_input_moments *moments = &m->sight->moments;
    const float *initial = chooses_on_the_way(m) || is_given(m) ? NULL : m->l->scores;
    float *statistics;
    pare_dsnot options = m->l->recipe->dsnot;
    pare_dsnot_result result;
    options.keep = m->target.keep;
    options.of = m->target.of;
    PARE_TRY(pare_alloc(&statistics, 3 * (size_t)m->columns, sizeof *statistics, "input statistics"));
    pare_input_moments_mean(moments, statistics);
    pare_input_moments_variance(moments, statistics + m->columns);
    pare_input_moments_norm(moments, statistics + 2 * m->columns);
    pare_dsnot_inputs inputs = {statistics, statistics + m->columns, statistics + 2 * m->columns};
    pare_status status = pare_dsnot_refine(m->l->dense, initial, &inputs, &options, &m->mask, &result);
    pare_free(statistics);
    if (status != PARE_OK) return status;
    m->result->swaps = result.swaps;
    m->result->expected_before = result.before;
    m->result->expected_after = result.after;
    return PARE_OK;
}

static pare_status refine(matrix *m) {
    const pare_element_recipe *e = m->l->recipe;
    if (e->refinement == PARE_REFINE_SWAPS) return swap(m);
    bool attention = m->role <= PARE_ROLE_O;
    return e->refinement == PARE_REFINE_DSNOT && (attention || !e->attention_only) ? grow_and_prune(m) : PARE_OK;
}

static pare_status fit(matrix *m) {
    return pare_masked_cg(m->l->dense, m->sight->gram, &m->mask, m->l->recipe->cg_iterations, m->l->weights);
}

static pare_status alternate(matrix *m) {
    const pare_element_recipe *e = m->l->recipe;
    char name[96];
    pare_admm options = {.iterations = e->admm_iterations,
                         .rho = e->admm_rho,
                         .damping = m->l->job->recipe->damping,
                         .normalise = true,
                         .choose = e->admm_gradual && !is_given(m) ? &m->target : NULL,
                         .gradual = e->admm_gradual};
    pare_input_name(m->layer, pare_input_of(m->role), name, sizeof name);
    m->result->damped = true;
    PARE_TRY(pare_admm_run(&options, m->sight->gram, name, m->l->weights, &m->mask, &m->result->damping));
    return e->cg_iterations ? fit(m) : PARE_OK;
}

/* From the mask to the weights that stay. */
static pare_status compensate(matrix *m, bool updated) {
    if (updated) return PARE_OK;
    restore(m);
    switch (m->l->job->recipe->compensation) {
    case PARE_COMPENSATE_OBS:
        return update(m, false);
    case PARE_COMPENSATE_ADMM:
        return alternate(m);
    case PARE_COMPENSATE_LS:
        pare_element_mask_apply(&m->mask, m->l->weights);
        return fit(m);
    case PARE_COMPENSATE_NONE:
        break;
    }
    pare_element_mask_apply(&m->mask, m->l->weights);
    return PARE_OK;
}

/* As it will be written: into the result, into the block, and back into l->weights. */
static pare_status keep(matrix *m) {
    pare_layerwise *l = m->l;
    pare_dtype dtype = l->model->tensors[m->id]->dtype;
    size_t count = (size_t)(m->rows * m->columns);
    void *out;
    PARE_TRY(pare_repaired_add(l->repaired, l->model, m->id, (uint64_t)m->rows, (uint64_t)m->columns, &out));
    pare_from_float(out, dtype, l->weights, count);
    pare_to_float(l->weights, out, dtype, count);
    for (size_t i = 0; i < count; i++) {
        m->result->zeros += l->weights[i] == 0.0f;
        if (!isfinite(l->weights[i]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "%s: what is left cannot be repaired in numbers of its type; raise --damping",
                             l->model->tensors[m->id]->name);
    }
    l->block.weights.matrix[m->role] = out;
    if (dtype == l->backend->operand) return PARE_OK;
    l->backend->operations->to_operand(l->backend, l->weights, (int64_t)count, l->operands[m->role]);
    l->block.weights.matrix[m->role] = l->operands[m->role];
    return PARE_OK;
}

static pare_status run(matrix *m) {
    pare_layerwise *l = m->l;
    const pare_recipe *recipe = l->job->recipe;
    pare_matrix_result *result = m->result;
    pare_source_rows(l->job->source, m->id, 0, m->rows, l->dense);
    pare_layerwise_take_optimised(l, m->role, m->rows * m->columns, l->dense);
    PARE_TRY(pare_layerwise_target(l, m->layer, m->role, l->dense));
    restore(m);
    PARE_TRY(choose(m));
    bool updated = chooses_on_the_way(m) && recipe->compensation == PARE_COMPENSATE_OBS &&
                   l->recipe->refinement == PARE_REFINE_NONE;
    if (updated) memcpy(l->scores, l->weights, (size_t)(m->rows * m->columns) * sizeof *l->scores);
    PARE_TRY(measure_masked(m, &result->selected));
    if (l->recipe->refinement != PARE_REFINE_NONE) {
        PARE_TRY(refine(m));
        PARE_TRY(measure_masked(m, &result->refined));
    }
    if (updated) memcpy(l->weights, l->scores, (size_t)(m->rows * m->columns) * sizeof *l->scores);
    PARE_TRY(compensate(m, updated));
    PARE_TRY(keep(m));
    PARE_TRY(measure(m, l->weights, &result->repaired));
    result->kept = pare_element_mask_kept(&m->mask);
    pare_element_mask_statistics(&m->mask, &result->statistics);
    return PARE_OK;
}

pare_status pare_layerwise_prune(pare_layerwise *l, uint32_t layer, pare_role role) {
    matrix m;
    double start = pare_clock();
    describe(l, layer, role, &m);
    PARE_TRY(pare_element_mask_new(m.rows, m.columns, &m.mask));
    pare_status status = run(&m);
    pare_element_mask_free(&m.mask);
    m.result->seconds = pare_clock() - start;
    return status;
}
