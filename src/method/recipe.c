/* What a recipe comes to. */
#include "method/recipe.h"
#include "repair/repair.h"

#define PARE_ELEMENT_DAMPING 0.1 /* of the correction towards the dense model */

/* Constants of what a method does not do, should an option ask it to. */
void pare_recipe_start(const pare_recipe *preset, pare_recipe *out) {
    *out = *preset;
    pare_element_defaults(&out->element);
    out->lora = pare_lora_recipe_published();
    if (preset->mode == PARE_MODE_ELEMENT && preset->damping <= 0.0) out->damping = PARE_REPAIR_DAMPING;
    if (preset->mode == PARE_MODE_ELEMENT && preset->reader_damping <= 0.0) out->reader_damping = PARE_ELEMENT_DAMPING;
    if (preset->mode == PARE_MODE_ELEMENT || pare_recipe_repairs(preset)) return;
    out->metric = PARE_METRIC_FISHER;
    out->dense = PARE_REPAIR_ALPHA;
    out->damping = out->reader_damping = PARE_REPAIR_DAMPING;
    out->fraction = PARE_REPAIR_FRACTION;
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

bool pare_recipe_repairs(const pare_recipe *r) {
    if (r->mode == PARE_MODE_ELEMENT) return false;
    return r->choice == PARE_CHOOSE_OBS || r->compensation;
}

bool pare_recipe_needs_data(const pare_recipe *r) {
    if (r->mode == PARE_MODE_ELEMENT && pare_element_walks(r)) return true;
    return pare_signal_has(r->signal, PARE_TRAIT_DATA) || pare_recipe_repairs(r);
}

const char *pare_recipe_kind_of(const pare_recipe *r) {
    if (pare_recipe_trains(r)) return "training";
    return r->mode == PARE_MODE_ELEMENT ? "weights" : r->mode == PARE_MODE_LAYER ? "layers" : "units";
}
