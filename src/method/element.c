#include "method/recipe.h"

static void set(double *constant, double published) {
    if (*constant == 0.0) *constant = published;
}

static void set_count(int32_t *constant, int32_t usual) {
    if (*constant == 0) *constant = usual;
}

void pare_element_defaults(pare_element_recipe *e) {
    set_count(&e->slab, 128);
    set(&e->constants.alpha, 100.0);
    set(&e->constants.exponent, 0.5);
    set(&e->constants.order, 1.0);
    set(&e->constants.balance, 1.0);
    set(&e->constants.share, 0.1);
    set(&e->owl_times, 5.0);
    set(&e->owl_lambda, 0.08);
    set_count(&e->dsnot.cycles, 50);
    set(&e->dsnot.epsilon, 0.1);
    set(&e->dsnot.power, 1.0);
    set(&e->dsnot.norm, 2.0);
    set(&e->dsnot.alpha, 1.0);
    set(&e->spread, 0.1);
    set(&e->fisher_damping, 0.1);
    set(&e->growth, 1.15);
    set_count(&e->inner, 1);
    set_count(&e->admm_iterations, 20);
    set_count(&e->cg_iterations, 10);
    set(&e->admm_rho, 1.0);
    set_count(&e->region_samples, 32);
    set(&e->region_rate, 3e-7);
}

pare_element_needs pare_element_needs_of(const pare_recipe *r) {
    const pare_element_recipe *e = &r->element;
    unsigned needs = r->salience ? r->salience->needs : 0;
    bool solves = pare_compensation_has(r->compensation, PARE_TRAITS_REFIT) ||
                  pare_refinement_has(e->refinement, PARE_TRAIT_EXACT) || r->dense > 0.0;
    bool dsnot = pare_refinement_has(e->refinement, PARE_TRAIT_EXPECTED);
    bool means = pare_compensation_has(r->compensation, PARE_TRAIT_MEANS);
    bool moments = dsnot || means || (needs & (PARE_NEEDS_MOMENTS | PARE_NEEDS_CENTERED));
    return (pare_element_needs){.norms = (needs & PARE_NEEDS_INPUTS) || moments ||
                                         pare_allocation_has(e->allocation, PARE_TRAIT_OUTLIERS),
                                .variance = moments,
                                .outputs = needs & PARE_NEEDS_OUTPUTS,
                                .gram = solves || e->measured || e->residual_rank > 0 || (needs & PARE_NEEDS_INVERSE) ||
                                        pare_allocation_has(e->allocation, PARE_TRAIT_COSTS),
                                .regional = pare_signal_has(r->signal, PARE_TRAIT_REGIONAL)};
}

bool pare_element_walks(const pare_recipe *r) {
    pare_element_needs n = pare_element_needs_of(r);
    return n.norms || n.variance || n.outputs || n.gram || n.regional;
}
