/* Whether norms of inputs are all that a method reads of calibration data, as an importance matrix has them. */
#include "method/recipe.h"

/* Of single weights: what a walk over the pruned blocks shows beside the norms. */
static const char *beyond_elements(const pare_recipe *r) {
    pare_element_needs needs = pare_element_needs_of(r);
    if (needs.gram) return "Gram matrices of inputs";
    if (needs.variance) return "means and variances of inputs";
    if (needs.outputs) return "norms of outputs";
    if (r->element.permutation != PARE_PERMUTE_NONE) return "the inputs of the permuted model (--permute)";
    return r->element.sequential ? "the inputs of pruned blocks (--true-sequential)" : NULL;
}

static const char *beyond_units(const pare_recipe *r) {
    if (pare_recipe_repairs(r)) return "Gram matrices, or means, of inputs";
    return r->salience && (r->salience->needs & PARE_NEEDS_CENTERED) ? "means of inputs" : NULL;
}

const char *pare_recipe_beyond_norms(const pare_recipe *r) {
    if (pare_recipe_trains(r)) return "examples to train on";
    if (pare_recipe_gates(r)) return "text to train gates on";
    if (pare_signal_has(r->signal, PARE_TRAIT_GRADIENT)) return "gradients";
    if (pare_signal_has(r->signal, PARE_TRAIT_LAYERS)) return "hidden states between layers";
    if (r->reconstruct) return "text to train blocks on (--reconstruct)";
    if (pare_recipe_searches(r)) return "text to measure the whole model on (--allocate search)";
    return pare_recipe_is_element(r) ? beyond_elements(r) : beyond_units(r);
}
