/* The way of one matrix: scores, mask, refinement, repair. */
#include "layerwise/layerwise_matrix.h"
#include "repair/layer_error.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

pare_element_target pare_matrix_target(const pare_layerwise *l, size_t id) {
    return (pare_element_target){.sparsity = l->sparsity[id],
                                 .keep = l->job->keep,
                                 .of = l->job->of,
                                 .compare = l->recipe->compare,
                                 .slab = l->recipe->slab,
                                 .inclusive = l->recipe->inclusive};
}

static void describe(pare_layerwise *l, uint32_t layer, pare_role role, pare_matrix_job *m) {
    size_t id = pare_tensor_id(layer, role);
    *m = (pare_matrix_job){.l = l,
                           .layer = layer,
                           .role = role,
                           .id = id,
                           .statistics = &l->statistics[pare_input_of(role)],
                           .target = pare_matrix_target(l, id),
                           .result = &l->results[id]};
    pare_tensor_matrix(l->model->tensors[id], &m->rows, &m->columns);
    *m->result = (pare_matrix_result){.pruned = true,
                                      .rows = m->rows,
                                      .columns = m->columns,
                                      .energy = NAN,
                                      .selected = NAN,
                                      .refined = NAN,
                                      .repaired = NAN,
                                      .weighted_before = NAN,
                                      .weighted_after = NAN,
                                      .expected_before = NAN,
                                      .expected_after = NAN,
                                      .region_first = l->region_first,
                                      .region_last = l->region_last};
}

bool pare_matrix_is_given(const pare_matrix_job *m) {
    return m->l->given && m->l->given[m->id].word;
}

void pare_matrix_restore(const pare_matrix_job *m) {
    memcpy(m->l->weights, m->l->dense, (size_t)(m->rows * m->columns) * sizeof *m->l->weights);
}

static pare_status choose(pare_matrix_job *m) {
    pare_layerwise *l = m->l;
    if (pare_matrix_is_given(m)) {
        pare_element_mask_copy(&l->given[m->id], &m->mask);
        return PARE_OK;
    }
    if (pare_matrix_sweep_chooses(m)) return pare_matrix_choose_in_sweep(m);
    m->scored = true;
    PARE_TRY(pare_matrix_score(l, m->layer, m->role, l->job->recipe->salience, l->dense, l->scores));
    return pare_element_select(l->scores, &m->target, &m->mask);
}

/* The layer's error with these weights. */
static pare_status measure(const pare_matrix_job *m, const float *weights, double *error) {
    if (!m->statistics->gram) return PARE_OK;
    double *energy = isnan(m->result->energy) ? &m->result->energy : NULL;
    return pare_layer_error(m->l->dense, weights, m->statistics->gram, m->rows, m->columns, error, energy);
}

/* Of the target under the mask; room: what may be overwritten. */
static pare_status measure_masked(pare_matrix_job *m, float *room, double *error) {
    if (!m->statistics->gram) return PARE_OK;
    memcpy(room, m->l->dense, (size_t)(m->rows * m->columns) * sizeof *room);
    pare_element_mask_apply(&m->mask, room);
    return measure(m, room, error);
}

/* As it will be written: into the result, into the block, and back into l->weights. */
static pare_status keep(pare_matrix_job *m) {
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

/* A mask first, then what is left. Where everything stays there is nothing to repair. */
static pare_status prune_by_mask(pare_matrix_job *m) {
    PARE_TRY(choose(m));
    PARE_TRY(measure_masked(m, m->l->weights, &m->result->selected));
    if (m->l->recipe->refinement) {
        PARE_TRY(pare_matrix_refine(m));
        PARE_TRY(measure_masked(m, m->l->weights, &m->result->refined));
    }
    pare_matrix_restore(m);
    bool whole = pare_element_mask_kept(&m->mask) == m->rows * m->columns;
    return whole ? PARE_OK : pare_matrix_solve(m, false);
}

/* Both at once. */
static pare_status prune_by_solver(pare_matrix_job *m) {
    pare_matrix_restore(m);
    PARE_TRY(pare_matrix_solve(m, true));
    return measure_masked(m, m->l->scores, &m->result->selected);
}

static pare_status run(pare_matrix_job *m) {
    pare_layerwise *l = m->l;
    pare_source_rows(l->job->source, m->id, 0, m->rows, l->dense);
    pare_layerwise_take_optimised(l, m->role, m->rows * m->columns, l->dense);
    PARE_TRY(pare_layerwise_target(l, m->layer, m->role, l->dense));
    bool by_solver = pare_matrix_solver_chooses(m) && pare_element_target_count(&m->target, m->rows, m->columns) > 0;
    PARE_TRY(by_solver ? prune_by_solver(m) : prune_by_mask(m));
    PARE_TRY(keep(m));
    PARE_TRY(measure(m, l->weights, &m->result->repaired));
    m->result->kept = pare_element_mask_kept(&m->mask);
    pare_element_mask_statistics(&m->mask, &m->result->statistics);
    return PARE_OK;
}

pare_status pare_layerwise_prune(pare_layerwise *l, uint32_t layer, pare_role role) {
    pare_matrix_job m;
    double start = pare_clock();
    describe(l, layer, role, &m);
    PARE_TRY(pare_element_mask_new(m.rows, m.columns, &m.mask));
    pare_status status = run(&m);
    pare_element_mask_free(&m.mask);
    m.result->seconds = pare_clock() - start;
    return status;
}
