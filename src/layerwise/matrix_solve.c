/* What is left of a matrix, repaired: by the errors of its outputs, or by what the loss feels of them. */
#include "layerwise/layerwise_matrix.h"
#include "repair/admm.h"
#include "repair/kronecker.h"
#include "repair/masked_cg.h"

static pare_compensation repair_of(const pare_matrix_way *m) {
    return m->l->job->recipe->compensation;
}

bool pare_matrix_scores_on_the_way(const pare_matrix_way *m) {
    bool inverse = m->l->job->recipe->salience == &pare_salience_inverse;
    bool slabs = m->target.of || m->target.compare == PARE_COMPARE_SLAB || m->target.compare == PARE_COMPARE_ROW;
    return inverse && slabs && !pare_matrix_is_given(m);
}

bool pare_matrix_solver_chooses(const pare_matrix_way *m) {
    bool free = m->l->recipe->refinement == PARE_REFINE_NONE && !pare_matrix_is_given(m);
    bool alternates = repair_of(m) == PARE_COMPENSATE_ADMM && m->l->recipe->admm_gradual > 0;
    return free && (alternates || (repair_of(m) == PARE_COMPENSATE_OBS && pare_matrix_scores_on_the_way(m)));
}

/* SparseGPT. */
static pare_status update(pare_matrix_way *m, bool choose) {
    const pare_inverse_factor *factor;
    PARE_TRY(pare_layerwise_factor(m->l, m->layer, pare_input_of(m->role), &factor));
    pare_obs_update update = {.factor = factor, .slab = m->l->recipe->slab, .choose = choose ? &m->target : NULL};
    m->result->damped = true;
    m->result->damping = factor->damping;
    return pare_obs_update_run(&update, m->l->weights, &m->mask, NULL);
}

pare_status pare_matrix_choose_on_the_way(pare_matrix_way *m) {
    pare_matrix_restore(m);
    return update(m, true);
}

static pare_status fit(pare_matrix_way *m) {
    return pare_masked_cg(m->l->dense, m->sight->gram, &m->mask, m->l->recipe->cg_iterations, m->l->weights);
}

static pare_status alternate(pare_matrix_way *m, bool choose) {
    const pare_element_recipe *e = m->l->recipe;
    char name[96];
    pare_admm options = {.iterations = e->admm_iterations,
                         .rho = e->admm_rho,
                         .damping = m->l->job->recipe->damping,
                         .normalise = true,
                         .choose = choose ? &m->target : NULL,
                         .gradual = e->admm_gradual,
                         .refine = e->cg_iterations};
    pare_input_name(m->layer, pare_input_of(m->role), name, sizeof name);
    m->result->damped = true;
    return pare_admm_run(&options, m->sight->gram, name, m->l->weights, &m->mask, &m->result->damping);
}

/* The same three in the metric of the loss. */
static pare_status solve_felt(pare_matrix_way *m, bool choose) {
    const pare_element_recipe *e = m->l->recipe;
    const pare_linear_fisher *fisher = m->l->job->fisher;
    pare_compensation repair = repair_of(m);
    pare_kronecker_result result;
    pare_kronecker options = {.gram = m->sight->gram,
                              .damping = m->l->job->recipe->damping,
                              .fisher = fisher->full[m->id],
                              .fisher_diagonal = fisher->diagonal[m->id],
                              .fisher_damping = e->fisher_damping,
                              .choose = choose ? &m->target : NULL,
                              .sweep = repair == PARE_COMPENSATE_OBS,
                              .slab = e->slab,
                              .iterations = repair == PARE_COMPENSATE_LS ? 0 : e->admm_iterations,
                              .inner = e->inner,
                              .rho = e->admm_rho,
                              .growth = e->growth,
                              .refine = e->cg_iterations,
                              .what = m->l->model->tensors[m->id]->name};
    PARE_TRY(pare_kronecker_run(&options, m->l->weights, &m->mask, &result));
    m->result->damped = true;
    m->result->damping = result.gram;
    m->result->felt_before = result.before;
    m->result->felt_after = result.after;
    return PARE_OK;
}

pare_status pare_matrix_solve(pare_matrix_way *m, bool choose) {
    pare_compensation repair = repair_of(m);
    if (repair != PARE_COMPENSATE_NONE && m->l->job->fisher) return solve_felt(m, choose);
    switch (repair) {
    case PARE_COMPENSATE_OBS:
        return update(m, choose);
    case PARE_COMPENSATE_ADMM:
        return alternate(m, choose);
    case PARE_COMPENSATE_LS:
        pare_element_mask_apply(&m->mask, m->l->weights);
        return fit(m);
    case PARE_COMPENSATE_NONE:
        break;
    }
    pare_element_mask_apply(&m->mask, m->l->weights);
    return PARE_OK;
}
