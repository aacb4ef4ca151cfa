/* A mask bettered by swaps. */
#include "layerwise/weights_internal.h"
#include "support/memory.h"

#include <omp.h>

static pare_status swap(pare_matrix_job *m) {
    pare_swap options = {.cycles = m->w->recipe->swap_cycles, .keep = m->target.keep, .of = m->target.of};
    pare_swap_result result;
    PARE_TRY(pare_swap_refine(m->w->dense, m->place.inputs->gram, &options, &m->mask, &result));
    m->result->swaps = result.swaps;
    return PARE_OK;
}

/* DSnoT prunes inside a pattern's groups by the scores that the mask came from; R2-DSnoT has a key of its own. */
static const float *initial_scores(const pare_matrix_job *m) {
    const pare_dsnot *d = &m->w->recipe->dsnot;
    bool plain = d->reweight == PARE_REWEIGHT_NONE && d->alpha == 1.0 && d->gamma_prune == 0.0;
    return m->scored && plain ? m->w->scores : NULL;
}

static pare_status grow_and_prune(pare_matrix_job *m) {
    const pare_input_moments *moments = &m->place.inputs->moments;
    float *statistics;
    pare_dsnot options = m->w->recipe->dsnot;
    pare_dsnot_result result;
    options.keep = m->target.keep;
    options.of = m->target.of;
    PARE_TRY(pare_alloc(&statistics, 3 * (size_t)m->columns, sizeof *statistics, "input statistics"));
    pare_input_moments_mean(moments, statistics);
    pare_input_moments_variance(moments, statistics + m->columns);
    pare_input_moments_norm(moments, statistics + 2 * m->columns);
    pare_dsnot_inputs inputs = {statistics, statistics + m->columns, statistics + 2 * m->columns};
    pare_status status = pare_dsnot_refine(m->w->dense, initial_scores(m), &inputs, &options, &m->mask, &result);
    pare_free(statistics);
    if (status != PARE_OK) return status;
    m->result->swaps = result.swaps;
    m->result->expected_before = result.before;
    m->result->expected_after = result.after;
    return PARE_OK;
}

/* Attention alone, where the recipe says so. */
static pare_status grow_and_prune_some(pare_matrix_job *m) {
    bool attention = pare_role_in(m->place.role, PARE_PART_ATTENTION);
    return attention || !m->w->recipe->attention_only ? grow_and_prune(m) : PARE_OK;
}

static uint64_t swap_bytes(int64_t columns) {
    return pare_swap_bytes(columns, omp_get_max_threads());
}

/* Every row's columns are sorted and gone through. */
static pare_work grow_work(int64_t rows, int64_t columns) {
    pare_work sorted = pare_element_select_work(rows, columns), work = {{0}};
    pare_work_add(&work, &sorted, 8.0);
    return work;
}

/* The products of all rows with the Gram matrix, and as much again for what swaps change of them. */
static pare_work swap_work(int64_t rows, int64_t columns) {
    pare_work work = {{0}};
    work.amount[PARE_WORK_DOUBLE] = 4.0 * (double)rows * (double)columns * (double)columns;
    return work;
}

static const struct {
    pare_status (*run)(pare_matrix_job *m);
    uint64_t (*bytes)(int64_t columns); /* NULL: next to nothing */
    pare_work (*work)(int64_t rows, int64_t columns);
} refiners[PARE_REFINEMENT_COUNT] = {
    [PARE_REFINE_DSNOT] = {grow_and_prune_some, NULL, grow_work},
    [PARE_REFINE_SWAPS] = {swap, swap_bytes, swap_work},
};

pare_status pare_matrix_refine(pare_matrix_job *m) {
    return refiners[m->w->recipe->refinement].run(m);
}

uint64_t pare_refiner_bytes(const pare_element_recipe *recipe, int64_t columns) {
    return refiners[recipe->refinement].bytes ? refiners[recipe->refinement].bytes(columns) : 0;
}

pare_work pare_refiner_work(const pare_element_recipe *recipe, int64_t rows, int64_t columns) {
    return recipe->refinement ? refiners[recipe->refinement].work(rows, columns) : (pare_work){{0}};
}
