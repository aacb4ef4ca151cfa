/* The way of one matrix: scores, mask, refinement, repair. */
#include "layerwise/weights_internal.h"
#include "repair/layer_energy.h"
#include "repair/layer_error.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>

static void describe(pare_weight_walk *w, const pare_matrix_place *place, pare_matrix_job *m) {
    *m = (pare_matrix_job){
        .w = w, .place = *place, .target = pare_matrix_target(w, place->id), .result = &w->results[place->id]};
    pare_tensor_matrix(w->l.model->tensors[place->id], &m->rows, &m->columns);
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
                                      .region_first = w->region_first,
                                      .region_last = w->region_last,
                                      .borrowed = place->borrowed};
}

static pare_status choose(pare_matrix_job *m) {
    pare_weight_walk *w = m->w;
    if (pare_matrix_is_given(m)) {
        pare_element_mask_copy(&w->given[m->place.id], &m->mask);
        return PARE_OK;
    }
    if (pare_matrix_sweep_chooses(m)) return pare_matrix_choose_in_sweep(m);
    m->scored = true;
    PARE_TRY(pare_matrix_score(w, &m->place, w->job->recipe->salience, w->dense, w->scores));
    return pare_element_select(w->scores, &m->target, &m->mask);
}

static pare_status energy(const pare_matrix_job *m, const float *matrix, double *out) {
    return pare_layer_energy(m->w->l.backend, matrix, m->place.inputs->gram, m->rows, m->columns, out);
}

/* Of the target under the mask, and of the target itself; room: what may be overwritten. */
static pare_status measure_masked(pare_matrix_job *m, float *room, double *error) {
    if (!m->place.inputs->gram) return PARE_OK;
    if (isnan(m->result->energy)) PARE_TRY(energy(m, m->w->dense, &m->result->energy));
    memcpy(room, m->w->dense, (size_t)(m->rows * m->columns) * sizeof *room);
    pare_element_mask_apply(&m->mask, room);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        room[i] = m->w->dense[i] - room[i];
    return energy(m, room, error);
}

/* Of what is written; updated: as it was before it was rounded. */
static pare_status measure_written(const pare_matrix_job *m, const float *updated) {
    const float *gram = m->place.inputs->gram, *dense = m->w->dense;
    const pare_obs_outcome outcome = {dense, updated, m->w->weights, gram, m->rows, m->loss};
    if (!gram) return PARE_OK;
    bool says = m->factor && m->rows * m->columns >= PARE_OBS_UPDATE_MANY;
    if (says) PARE_TRY(pare_obs_update_error(m->factor, &outcome, &m->result->repaired));
    if (!isnan(m->result->repaired)) return PARE_OK;
    return pare_layer_error(dense, m->w->weights, gram, m->rows, m->columns, &m->result->repaired, NULL);
}

/* As it will be written: into the result, into the block, and back into w->weights; before that into w->scores. */
static pare_status keep(pare_matrix_job *m) {
    pare_weight_walk *w = m->w;
    size_t count = (size_t)(m->rows * m->columns);
    void *out;
    memcpy(w->scores, w->weights, count * sizeof *w->scores);
    PARE_TRY(pare_repaired_add(w->l.repaired, w->l.model, m->place.id, (uint64_t)m->rows, (uint64_t)m->columns, &out));
    if (m->place.other)
        pare_layerwise_install_other(&w->l, m->place.id, w->weights, out);
    else
        pare_layerwise_install(&w->l, m->place.layer, m->place.role, w->weights, out);
    for (size_t i = 0; i < count; i++) {
        m->result->zeros += w->weights[i] == 0.0f;
        if (!isfinite(w->weights[i]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "%s: what is left cannot be repaired in numbers of its type; raise --damping",
                             w->l.model->tensors[m->place.id]->name);
    }
    return PARE_OK;
}

/* A mask first, then what is left. Where everything stays there is nothing to repair. */
static pare_status prune_by_mask(pare_matrix_job *m) {
    PARE_TRY(choose(m));
    PARE_TRY(measure_masked(m, m->w->weights, &m->result->selected));
    if (m->w->recipe->refinement) {
        PARE_TRY(pare_matrix_refine(m));
        PARE_TRY(measure_masked(m, m->w->weights, &m->result->refined));
    }
    pare_matrix_restore(m);
    bool whole = pare_element_mask_kept(&m->mask) == m->rows * m->columns;
    return whole ? PARE_OK : pare_matrix_solve(m, false);
}

/* Both at once. */
static pare_status prune_by_solver(pare_matrix_job *m) {
    pare_matrix_restore(m);
    PARE_TRY(pare_matrix_solve(m, true));
    return measure_masked(m, m->w->scores, &m->result->selected);
}

/* True if its bias is refitted with it: Gram matrix and errors are then around the means. */
static bool has_intercept(const pare_matrix_job *m) {
    return !m->place.other && pare_layerwise_intercepts(&m->w->l.asked, m->place.layer, pare_input_of(m->place.role));
}

static pare_status keep_bias(pare_matrix_job *m) {
    pare_index_list all = {.count = m->rows};
    PARE_TRY(pare_layerwise_refit_bias(&m->w->l, m->place.role, m->w->weights));
    m->result->bias = true;
    return pare_layerwise_keep_bias(&m->w->l, m->place.role, &all);
}

/* w->dense <- what the matrix is to come close to, which may have a share of the dense model: what reads a latent has
 * none, nor an expert's Down, whose output is one of several that are added up. */
static pare_status set_target(pare_matrix_job *m) {
    pare_weight_walk *w = m->w;
    pare_input_kind kind = pare_input_of(m->place.role);
    bool reads = pare_stage_reads(kind);
    if (!pare_layerwise_has_target(&w->l, kind) || (!reads && m->place.expert >= 0) || m->place.latent) return PARE_OK;
    if (!reads) return pare_layerwise_correct(&w->l, m->place.layer, kind, w->dense);
    pare_layerwise_apply_map(&w->l, w->dense, m->rows, w->scores);
    memcpy(w->dense, w->scores, (size_t)(m->rows * m->columns) * sizeof *w->dense);
    return PARE_OK;
}

static pare_status prune_matrix(pare_matrix_job *m) {
    bool by_solver = pare_matrix_solver_chooses(m) && pare_element_target_count(&m->target, m->rows, m->columns) > 0;
    return by_solver ? prune_by_solver(m) : prune_by_mask(m);
}

/* The same at another share, into the levels. */
static pare_status prune_at_level(const pare_matrix_job *m, uint32_t i) {
    pare_weight_levels *levels = m->w->job->levels;
    pare_matrix_result result = *m->result;
    pare_matrix_job at = *m;
    at.result = &result;
    at.target.sparsity = pare_weight_level_share(levels, i, m->target.sparsity);
    PARE_TRY(pare_element_mask_new(m->rows, m->columns, &at.mask));
    pare_status status = prune_matrix(&at);
    if (status == PARE_OK) pare_weight_levels_keep(levels, m->place.id, i, m->w->weights);
    pare_element_mask_free(&at.mask);
    return status;
}

static pare_status run(pare_matrix_job *m) {
    pare_weight_walk *w = m->w;
    pare_source_rows(w->job->source, m->place.id, 0, m->rows, w->dense);
    if (!m->place.other) pare_weights_take_optimised(w, m->place.role, m->rows * m->columns, w->dense);
    if (has_intercept(m)) pare_layerwise_expect(&w->l, m->place.role, w->dense);
    PARE_TRY(set_target(m));
    for (uint32_t i = 0; w->job->levels && i < w->job->levels->count; i++)
        PARE_TRY(prune_at_level(m, i));
    PARE_TRY(prune_matrix(m));
    PARE_TRY(keep(m));
    PARE_TRY(measure_written(m, w->scores));
    if (has_intercept(m)) PARE_TRY(keep_bias(m));
    PARE_TRY(pare_matrix_keep_residual(m));
    m->result->kept = pare_element_mask_kept(&m->mask);
    pare_element_mask_statistics(&m->mask, &m->result->statistics);
    return PARE_OK;
}

pare_status pare_matrix_prune(pare_weight_walk *w, const pare_matrix_place *place) {
    pare_matrix_job m;
    double start = pare_clock();
    describe(w, place, &m);
    PARE_TRY(pare_element_mask_new(m.rows, m.columns, &m.mask));
    pare_status status = run(&m);
    pare_element_mask_free(&m.mask);
    m.result->seconds = pare_clock() - start;
    return status;
}
