/* What a recipe comes to. */
#include "method/recipe.h"

/* Of a repair that an option asks for, where the method brings no constants of its own. */
static const double repair_alpha = 0.75, repair_damping = 1e-2, repair_fraction = 0.0625;
static const double reconstruct_rate = 1e-3;
static const int32_t search_steps = 400, search_rounds = 1;
static const double element_damping = 0.1; /* of the correction towards the dense model */

/* Constants of what a method does not do, should an option ask it to. */
void pare_recipe_start(const pare_recipe *preset, pare_recipe *out) {
    *out = *preset;
    out->preset = preset->name;
    out->effort = PARE_EFFORT_NORMAL;
    pare_element_defaults(&out->element);
    if (out->reconstruct_rate <= 0.0) out->reconstruct_rate = reconstruct_rate;
    out->reconstruct_dense = 1.0;
    if (!out->search_steps) out->search_steps = search_steps;
    if (!out->search_rounds) out->search_rounds = search_rounds;
    out->lora = pare_lora_recipe_published();
    out->gates = pare_gates_recipe_usual();
    if (preset->mode == PARE_MODE_ELEMENT && preset->damping <= 0.0) out->damping = repair_damping;
    if (preset->mode == PARE_MODE_ELEMENT && preset->reader_damping <= 0.0) out->reader_damping = element_damping;
    if (preset->mode == PARE_MODE_ELEMENT || pare_recipe_repairs(preset)) return;
    out->metric = PARE_METRIC_FISHER;
    out->dense = repair_alpha;
    out->damping = out->reader_damping = repair_damping;
    out->fraction = repair_fraction;
}

/* Errors are plain then, and targets the matrix's own, unless choices say so. */
void pare_recipe_refine_to_elements(pare_recipe *recipe) {
    if (recipe->mode != PARE_MODE_BLOCK) return;
    recipe->mode = PARE_MODE_ELEMENT;
    recipe->metric = PARE_METRIC_PLAIN;
    recipe->dense = 0.0;
}

bool pare_recipe_trains(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_TRAINING);
}

bool pare_recipe_gates(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_GATES);
}

bool pare_recipe_is_element(const pare_recipe *r) {
    return r->mode == PARE_MODE_ELEMENT;
}

bool pare_recipe_steps(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_STEPS);
}

bool pare_recipe_needs_squares(const pare_recipe *r) {
    return r->salience && (r->salience->needs & PARE_NEEDS_SQUARES);
}

bool pare_recipe_repairs(const pare_recipe *r) {
    if (r->mode == PARE_MODE_ELEMENT) return false;
    bool experts = r->mode == PARE_MODE_EXPERT && (r->experts || r->router);
    return r->choice == PARE_CHOOSE_OBS || r->compensation || experts;
}

bool pare_recipe_searches(const pare_recipe *r) {
    return pare_allocation_has(r->element.allocation, PARE_TRAIT_SEARCHES);
}

bool pare_recipe_needs_data(const pare_recipe *r) {
    if (r->reconstruct || (r->mode == PARE_MODE_ELEMENT && pare_element_walks(r))) return true;
    return pare_signal_has(r->signal, PARE_TRAIT_DATA) || pare_recipe_repairs(r);
}

bool pare_recipe_measures_outputs(const pare_recipe *r) {
    bool refits = pare_compensation_has(r->compensation, PARE_TRAITS_REFIT);
    return r->choice == PARE_CHOOSE_OBS || (r->mode == PARE_MODE_ELEMENT && refits);
}

bool pare_recipe_feels_outputs(const pare_recipe *r) {
    return pare_recipe_measures_outputs(r) && r->metric == PARE_METRIC_FISHER;
}

bool pare_recipe_needs_loss(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_LOSS) || pare_recipe_feels_outputs(r);
}

const char *pare_recipe_kind_of(const pare_recipe *r) {
    if (pare_recipe_trains(r)) return "training";
    if (r->mode == PARE_MODE_EXPERT) return "experts";
    return r->mode == PARE_MODE_ELEMENT ? "weights" : r->mode == PARE_MODE_LAYER ? "layers" : "units";
}
