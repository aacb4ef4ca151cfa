/* What can be set of methods that remove single weights: rows of the table in keys.c. */
#include "method/recipe.h"

static const char *const comparisons[] = {"row", "matrix", "slab", "global", "cumulative", NULL};
static const char *const thresholds[] = {"exact", "released", NULL};
static const char *const norms[] = {"l2", "l1", NULL};
static const char *const scalings[] = {"paper", "released", NULL};
static const char *const permutations[] = {"none", "allocate", "assign", NULL};
static const char *const reweights[] = {"none", "grow", "prune", NULL};
static const char *const scopes[] = {"all", "attention", NULL};
static const char *const streams[] = {"fp32", "bf16", NULL};

/* Text goes through the blocks. */
static bool is_walked(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_element_walks(r);
}

static bool is_slabbed(const pare_recipe *r) {
    return pare_recipe_is_element(r) &&
           (r->element.compare == PARE_COMPARE_SLAB || pare_compensation_has(r->compensation, PARE_TRAIT_SWEEPS));
}

static bool is_by_region(const pare_recipe *r) {
    bool region = r->element.compare == PARE_COMPARE_MATRIX || r->element.compare == PARE_COMPARE_SLAB;
    return pare_recipe_is_element(r) && region;
}

static bool scores_with(const pare_recipe *r, const pare_salience *const *list) {
    for (; *list; list++)
        if (r->salience == *list) return true;
    return false;
}

static bool has_alpha(const pare_recipe *r) {
    return scores_with(r, (const pare_salience *const[]){&pare_salience_gblm, NULL});
}

static bool joins_samples(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_SAMPLES);
}

static bool has_exponent(const pare_recipe *r) {
    return scores_with(
        r, (const pare_salience *const[]){&pare_salience_ria, &pare_salience_stochria, &pare_salience_lp, NULL});
}

static bool has_order(const pare_recipe *r) {
    return scores_with(r, (const pare_salience *const[]){&pare_salience_lp, &pare_salience_symmetric, NULL});
}

static bool is_symwanda(const pare_recipe *r) {
    return r->salience == &pare_salience_symwanda;
}

static bool is_squarable(const pare_recipe *r) {
    return is_symwanda(r) || r->salience == &pare_salience_symmetric;
}

static bool is_sampled(const pare_recipe *r) {
    return r->salience == &pare_salience_stochria;
}

static bool is_owl(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_allocation_has(r->element.allocation, PARE_TRAIT_OUTLIERS);
}

static bool is_dsnot(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_refinement_has(r->element.refinement, PARE_TRAIT_EXPECTED);
}

static bool is_swapped(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_refinement_has(r->element.refinement, PARE_TRAIT_EXACT);
}

static bool is_admm(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_compensation_has(r->compensation, PARE_TRAIT_ALTERNATES);
}

static bool is_conjugate(const pare_recipe *r) {
    bool swept = pare_compensation_has(r->compensation, PARE_TRAIT_SWEEPS) && r->metric == PARE_METRIC_FISHER;
    return pare_recipe_is_element(r) && (swept || pare_compensation_has(r->compensation, PARE_TRAIT_CONJUGATES));
}

static bool is_spread_by_cost(const pare_recipe *r) {
    return pare_recipe_is_element(r) &&
           pare_allocation_has(r->element.allocation, PARE_TRAIT_COSTS | PARE_TRAIT_SEARCHES);
}

/* Units that go greedily may be searched. */
static bool is_allocated(const pare_recipe *r) {
    return pare_recipe_is_element(r) || r->choice == PARE_CHOOSE_OBS;
}

static bool has_metric(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_recipe_feels_outputs(r);
}

static bool is_admm_in_metric(const pare_recipe *r) {
    return has_metric(r) && is_admm(r);
}

static bool is_regional(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_signal_has(r->signal, PARE_TRAIT_REGIONAL);
}

static bool is_optimised(const pare_recipe *r) {
    return is_regional(r) && r->element.region_rounds > 0;
}

#define AT(member) offsetof(pare_recipe, element.member)
#define CHOICE(key, flag, member, list, where)                                                                         \
    { key, flag, PARE_KEY_CHOICE, AT(member), list, .applies = where }
#define SWITCH(key, flag, member, list, where)                                                                         \
    { key, flag, PARE_KEY_SWITCH, AT(member), list, .applies = where }

const pare_key pare_element_keys[] = {
    CHOICE("compare", "--compare", compare, comparisons, pare_recipe_is_element),
    SWITCH("threshold", "--threshold", inclusive, thresholds, is_by_region),
    {"slab", "--slab", PARE_KEY_INTEGER, AT(slab), .low = 1, .high = 1e6, .applies = is_slabbed,
     .advice = "give a number of columns, such as 128"},
    CHOICE("allocate", "--allocate", allocation, pare_allocation_names, is_allocated),
    {"owl_times", "--owl-times", PARE_KEY_REAL, AT(owl_times), .low = 0, .high = 1e6, .open = true, .applies = is_owl,
     .advice = "give how many times the mean an outlier exceeds, such as 5"},
    {"owl_lambda", "--owl-lambda", PARE_KEY_REAL, AT(owl_lambda), .low = 0, .high = 1, .applies = is_owl,
     .advice = "give how far a layer's share may lie from the mean, such as 0.08"},
    {"reach", "--reach", PARE_KEY_REAL, AT(spread), .low = 0, .high = 1, .applies = is_spread_by_cost,
     .advice = "give how far a matrix's share may lie from the mean, such as 0.1"},
    CHOICE("permute", "--permute", permutation, permutations, pare_recipe_is_element),
    {"alpha", "--alpha", PARE_KEY_REAL, AT(constants.alpha), .low = 0, .high = 1e12, .applies = has_alpha,
     .advice = "give the weight of the gradient term, such as 100"},
    CHOICE("alpha_scaling", "--alpha-scaling", scaling, scalings, has_alpha),
    SWITCH("gradient_norm", "--gradient-norm", absolutes, norms, joins_samples),
    {"exponent", "--exponent", PARE_KEY_REAL, AT(constants.exponent), .low = 0, .high = 16, .applies = has_exponent,
     .advice = "give the power of the input norm, such as 0.5"},
    {"order", "--order", PARE_KEY_REAL, AT(constants.order), .low = 0, .high = 1e6, .applies = has_order,
     .advice = "give the p of the rows' and columns' norms, such as 1 (0 counts)"},
    {"balance", "--balance", PARE_KEY_REAL, AT(constants.balance), .low = 0, .high = 1e12, .applies = is_symwanda,
     .advice = "give the weight of the output norms, such as 1"},
    SWITCH("squared", NULL, constants.squared, pare_key_answers, is_squarable),
    {"share", "--share", PARE_KEY_REAL, AT(constants.share), .low = 0, .high = 1, .open = true, .applies = is_sampled,
     .advice = "give the share of a row's or column's weights that are sampled, such as 0.1"},
    CHOICE("refine", "--refine", refinement, pare_refinement_names, pare_recipe_is_element),
    {"cycles", "--cycles", PARE_KEY_INTEGER, AT(dsnot.cycles), .low = 1, .high = 1e6, .applies = is_dsnot,
     .advice = "give a number of swaps per row, such as 50"},
    {"epsilon", "--epsilon", PARE_KEY_REAL, AT(dsnot.epsilon), .low = 0, .high = 1e12, .applies = is_dsnot,
     .advice = "give the expected error at which a row is done, such as 0.1"},
    {"variance_power", NULL, PARE_KEY_REAL, AT(dsnot.power), .low = 0, .high = 16, .applies = is_dsnot,
     .advice = "give the power of the variance that growing divides by, such as 1"},
    SWITCH("keep_sign", NULL, dsnot.keep_sign, pare_key_answers, is_dsnot),
    SWITCH("only_better", NULL, dsnot.only_better, pare_key_answers, is_dsnot),
    CHOICE("reweight", "--reweight", dsnot.reweight, reweights, is_dsnot),
    {"gamma_grow", NULL, PARE_KEY_REAL, AT(dsnot.gamma_grow), .low = 0, .high = 1e12, .applies = is_dsnot,
     .advice = "give the weight of |w|^p in growing, such as 0.001"},
    {"gamma_prune", NULL, PARE_KEY_REAL, AT(dsnot.gamma_prune), .low = 0, .high = 1e12, .applies = is_dsnot,
     .advice = "give the weight of |w|^p in pruning, such as 0.001"},
    {"gamma_norm", NULL, PARE_KEY_REAL, AT(dsnot.norm), .low = 0, .high = 16, .applies = is_dsnot,
     .advice = "give that p, such as 2"},
    {"input_power", NULL, PARE_KEY_REAL, AT(dsnot.alpha), .low = 0, .high = 16, .applies = is_dsnot,
     .advice = "give the power of the input norm in pruning, such as 0.5"},
    SWITCH("refine_scope", "--refine-scope", attention_only, scopes, is_dsnot),
    {"swap_cycles", "--swap-cycles", PARE_KEY_INTEGER, AT(swap_cycles), .low = 0, .high = 1e9, .applies = is_swapped,
     .advice = "give a number of swaps per row; 0: until none helps"},
    {"admm_iterations", "--admm-iterations", PARE_KEY_INTEGER, AT(admm_iterations), .low = 1, .high = 1e6,
     .applies = is_admm, .advice = "give a number of iterations, such as 20"},
    {"admm_gradual", "--admm-gradual", PARE_KEY_INTEGER, AT(admm_gradual), .low = 0, .high = 1e6, .applies = is_admm,
     .advice = "give the number of iterations in which the mask is still chosen, 0: none"},
    {"admm_rho", "--admm-rho", PARE_KEY_REAL, AT(admm_rho), .low = 0, .high = 1e12, .open = true, .applies = is_admm,
     .advice = "give the penalty as a share of the Gram matrix's mean diagonal, such as 1"},
    {"admm_growth", NULL, PARE_KEY_REAL, AT(growth), .low = 1, .high = 100, .applies = is_admm_in_metric,
     .advice = "give the factor by which the penalty grows, such as 1.3"},
    {"admm_inner", NULL, PARE_KEY_INTEGER, AT(inner), .low = 1, .high = 1000, .applies = is_admm_in_metric,
     .advice = "give the conjugate gradient steps of an iteration, such as 2"},
    {"fisher_damping", NULL, PARE_KEY_REAL, AT(fisher_damping), .low = 0, .high = 1e6, .applies = has_metric,
     .advice = "give a share of the Fisher matrix's mean diagonal, such as 0.1"},
    {"cg_iterations", "--cg-iterations", PARE_KEY_INTEGER, AT(cg_iterations), .low = 0, .high = 1e6,
     .applies = is_conjugate, .advice = "give a number of conjugate gradient steps, such as 20"},
    SWITCH("true_sequential", "--true-sequential", sequential, pare_key_answers, is_walked),
    SWITCH("dense_propagation", "--dense-propagation", dense_propagation, pare_key_answers, is_walked),
    SWITCH("hidden_states", "--hidden-states", half_stream, streams, is_walked),
    SWITCH("measure_errors", "--measure-errors", measured, pare_key_answers, pare_recipe_is_element),
    {"residual_rank", "--residual-rank", PARE_KEY_INTEGER, AT(residual_rank), .low = 0, .high = 65536,
     .applies = pare_recipe_is_element, .advice = "give the rank of the adapter for what is lost, such as 16; 0: none"},
    {"region_rounds", "--region-rounds", PARE_KEY_INTEGER, AT(region_rounds), .low = 0, .high = 1e6,
     .applies = is_regional, .advice = "give a number of rounds of regional optimisation, such as 5; 0: none"},
    {"region_samples", "--region-samples", PARE_KEY_INTEGER, AT(region_samples), .low = 1, .high = 1e6,
     .applies = is_optimised, .advice = "give the sequences of a round, such as 32"},
    {"region_rate", "--region-rate", PARE_KEY_REAL, AT(region_rate), .low = 0, .high = 1e6, .open = true,
     .applies = is_optimised, .advice = "give the step size, such as 3e-7"},
};

const size_t pare_element_key_count = sizeof pare_element_keys / sizeof *pare_element_keys;
