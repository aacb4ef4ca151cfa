/* What is left of a matrix, repaired: by the errors of its outputs, or by what the loss feels of them. */
#include "layerwise/weights_internal.h"
#include "repair/admm.h"
#include "repair/kronecker.h"
#include "repair/masked_cg.h"

/* A way to repair. */
typedef struct solver {
    /* w->weights <- what is left under the mask, repaired; choose: with a mask of its own. */
    pare_status (*run)(pare_matrix_job *m, bool choose);
    bool (*chooses)(const pare_matrix_job *m); /* NULL: never */
    uint64_t (*bytes)(const pare_recipe *recipe, int64_t rows, int64_t columns);
    pare_work (*work)(const pare_recipe *recipe, int64_t rows, int64_t columns); /* NULL: next to none */
} solver;

static const solver *solver_of(pare_compensation repair);

bool pare_matrix_sweep_chooses(const pare_matrix_job *m) {
    bool inverse = m->w->job->recipe->salience == &pare_salience_inverse;
    bool slabs = m->target.of || m->target.compare == PARE_COMPARE_SLAB || m->target.compare == PARE_COMPARE_ROW;
    return inverse && slabs && !pare_matrix_is_given(m);
}

bool pare_matrix_solver_chooses(const pare_matrix_job *m) {
    const solver *repair = solver_of(m->w->job->recipe->compensation);
    return !m->w->recipe->refinement && !pare_matrix_is_given(m) && repair->chooses && repair->chooses(m);
}

/* SparseGPT. */
static pare_status update(pare_matrix_job *m, bool choose) {
    const pare_inverse_factor *factor;
    PARE_TRY(pare_matrix_factor(m->w, &m->place, &factor));
    pare_obs_update update = {.factor = factor, .slab = m->w->recipe->slab, .choose = choose ? &m->target : NULL};
    m->result->damped = true;
    m->result->damping = factor->damping;
    m->factor = factor;
    return pare_obs_update_run(&update, m->w->weights, &m->mask, &m->loss);
}

pare_status pare_matrix_choose_in_sweep(pare_matrix_job *m) {
    pare_matrix_restore(m);
    PARE_TRY(update(m, true));
    m->factor = NULL;
    return PARE_OK;
}

static uint64_t update_bytes(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    return pare_inverse_factor_bytes(columns) + pare_obs_update_bytes(rows, columns, recipe->element.slab);
}

/* The factor is made once for all matrices of an input, by the walk. */
static pare_work update_work(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    return pare_obs_update_work(rows, columns, recipe->element.slab);
}

static pare_status fit(pare_matrix_job *m, bool choose) {
    (void)choose;
    pare_element_mask_apply(&m->mask, m->w->weights);
    return pare_masked_cg(m->w->dense, m->place.inputs->gram, &m->mask, m->w->recipe->cg_iterations, m->w->weights);
}

static uint64_t fit_bytes(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    (void)recipe;
    return pare_masked_cg_bytes(rows, columns);
}

static pare_work fit_work(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    return pare_masked_cg_work(false, 0, rows, columns, recipe->element.cg_iterations);
}

static bool alternating_chooses(const pare_matrix_job *m) {
    return m->w->recipe->admm_gradual > 0;
}

static uint64_t alternate_bytes(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    (void)recipe;
    return pare_admm_bytes(rows, columns);
}

static pare_admm admm_of(const pare_recipe *recipe, const pare_element_target *choose) {
    const pare_element_recipe *e = &recipe->element;
    return (pare_admm){.iterations = e->admm_iterations,
                       .rho = e->admm_rho,
                       .damping = recipe->damping,
                       .normalise = true,
                       .choose = choose,
                       .gradual = e->admm_gradual,
                       .refine = e->cg_iterations};
}

static pare_work alternate_work(const pare_recipe *recipe, int64_t rows, int64_t columns) {
    static const pare_element_target some = {0};
    pare_admm options = admm_of(recipe, recipe->element.admm_gradual > 0 ? &some : NULL);
    return pare_admm_work(&options, rows, columns);
}

static pare_status alternate(pare_matrix_job *m, bool choose) {
    char name[96];
    pare_admm options = admm_of(m->w->job->recipe, choose ? &m->target : NULL);
    pare_matrix_inputs(&m->place, name, sizeof name);
    m->result->damped = true;
    return pare_admm_run(&options, m->place.inputs->gram, name, m->w->weights, &m->mask, &m->result->damping);
}

/* The same three in the metric of the loss: what the recipe says of it. */
static pare_kronecker kronecker_of(const pare_weights_job *job, const pare_element_target *choose) {
    const pare_recipe *recipe = job->recipe;
    const pare_element_recipe *e = &recipe->element;
    bool sweeps = pare_compensation_has(recipe->compensation, PARE_TRAIT_SWEEPS);
    bool alternates = pare_compensation_has(recipe->compensation, PARE_TRAIT_ALTERNATES);
    return (pare_kronecker){.backend = job->source->backend,
                            .damping = recipe->damping,
                            .fisher_damping = e->fisher_damping,
                            .choose = choose,
                            .sweep = sweeps,
                            .slab = e->slab,
                            .iterations = sweeps || alternates ? e->admm_iterations : 0,
                            .inner = e->inner,
                            .rho = e->admm_rho,
                            .growth = e->growth,
                            .refine = e->cg_iterations};
}

static pare_status solve_in_metric(pare_matrix_job *m, bool choose) {
    const pare_linear_fisher *fisher = m->w->job->fisher;
    pare_kronecker_result result;
    pare_kronecker options = kronecker_of(m->w->job, choose ? &m->target : NULL);
    options.gram = m->place.inputs->gram;
    options.fisher = fisher->full[m->place.id];
    options.block = fisher->block[m->place.id];
    options.fisher_diagonal = fisher->diagonal[m->place.id];
    options.what = m->w->l.model->tensors[m->place.id]->name;
    PARE_TRY(pare_kronecker_run(&options, m->w->weights, &m->mask, &result));
    m->result->damped = true;
    m->result->damping = result.gram;
    m->result->weighted_before = result.before;
    m->result->weighted_after = result.after;
    return PARE_OK;
}

/* Nothing but the mask. */
static pare_status leave(pare_matrix_job *m, bool choose) {
    (void)choose;
    pare_element_mask_apply(&m->mask, m->w->weights);
    return PARE_OK;
}

static const solver solvers[PARE_COMPENSATION_COUNT] = {
    [PARE_COMPENSATE_NONE] = {leave, NULL, NULL, NULL},
    [PARE_COMPENSATE_LS] = {fit, NULL, fit_bytes, fit_work},
    [PARE_COMPENSATE_OBS] = {update, pare_matrix_sweep_chooses, update_bytes, update_work},
    [PARE_COMPENSATE_ADMM] = {alternate, alternating_chooses, alternate_bytes, alternate_work},
    [PARE_COMPENSATE_BIAS] = {leave, NULL, NULL, NULL},
};

static const solver *solver_of(pare_compensation repair) {
    return &solvers[repair];
}

pare_status pare_matrix_solve(pare_matrix_job *m, bool choose) {
    pare_compensation repair = m->w->job->recipe->compensation;
    bool refits = pare_compensation_has(repair, PARE_TRAITS_REFIT);
    return refits && m->w->job->fisher ? solve_in_metric(m, choose) : solver_of(repair)->run(m, choose);
}

/* Of the solvers in the loss's metric. */
static uint64_t metric_bytes(const pare_weights_job *job, size_t id, int64_t rows, int64_t columns) {
    pare_kronecker options = kronecker_of(job, NULL);
    return pare_kronecker_bytes(&options, pare_fisher_block(job->source->model, &job->felt, id), rows, columns);
}

uint64_t pare_solver_bytes(const pare_weights_job *job, size_t id) {
    const pare_recipe *recipe = job->recipe;
    const solver *repair = solver_of(recipe->compensation);
    int64_t rows, columns;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    if (pare_recipe_feels_outputs(recipe)) return metric_bytes(job, id, rows, columns);
    return repair->bytes ? repair->bytes(recipe, rows, columns) : 0;
}

pare_work pare_solver_work(const pare_weights_job *job, size_t id) {
    static const pare_element_target some = {0};
    const pare_recipe *recipe = job->recipe;
    const solver *repair = solver_of(recipe->compensation);
    int64_t rows, columns;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    bool refits = pare_compensation_has(recipe->compensation, PARE_TRAITS_REFIT);
    if (!pare_recipe_feels_outputs(recipe) || !refits)
        return repair->work ? repair->work(recipe, rows, columns) : (pare_work){{0}};
    pare_kronecker options = kronecker_of(job, recipe->element.refinement ? NULL : &some);
    return pare_kronecker_work(&options, pare_fisher_block(job->source->model, &job->felt, id), rows, columns);
}
