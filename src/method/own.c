/* A salience that the caller brings, in the place of a method's. */
#include "method/recipe.h"

/* Nothing but the scores: no repair, shares that are the same everywhere. */
static const pare_recipe units = {.name = "own", .summary = ""};
static const pare_recipe elements = {.name = "own", .summary = "", .mode = PARE_MODE_ELEMENT};

const pare_recipe *pare_recipe_of_own(bool weights) {
    return weights ? &elements : &units;
}

/* What a method that ranks by something else ranks by; NULL: it ranks by a salience, or at random. */
static const char *other_ranks(const pare_recipe *r) {
    bool element = r->mode == PARE_MODE_ELEMENT;
    if (pare_recipe_trains(r)) return "gradients of LoRA's factors";
    if (pare_recipe_gates(r)) return "gates that are learnt";
    if (pare_signal_has(r->signal, PARE_TRAIT_LAYERS)) return "a score of whole layers";
    if (!element && r->choice == PARE_CHOOSE_OBS) return "exact errors (choose scores instead)";
    if (element && pare_compensation_has(r->compensation, PARE_TRAIT_ALTERNATES) && r->element.admm_gradual > 0)
        return "the masks that ADMM chooses on its way (set admm_gradual to 0)";
    return NULL;
}

static pare_signal signal_of(const pare_recipe *r) {
    unsigned needs = r->own.needs;
    if (needs & PARE_NEEDS_SQUARES) return pare_signal_with(PARE_TRAIT_GRADIENT | PARE_TRAIT_SQUARES);
    if ((needs & PARE_NEEDS_GRADIENT) && pare_signal_has(r->signal, PARE_TRAIT_GRADIENT)) return r->signal;
    if (needs & PARE_NEEDS_GRADIENT) return pare_signal_with(PARE_TRAIT_PLAIN);
    bool inputs = r->mode != PARE_MODE_ELEMENT && (needs & PARE_NEEDS_INPUTS);
    return pare_signal_with(inputs ? PARE_TRAIT_INPUTS : 0);
}

pare_status pare_recipe_take_own(const pare_own_salience *own, const char *named, pare_recipe *r) {
    PARE_TRY(pare_salience_own(own, &r->own));
    if (named)
        return pare_fail(PARE_BAD_ARGUMENT, "the salience is given twice: as %s and as the setting %s; leave out one",
                         own->name, named);
    const char *others = other_ranks(r);
    if (others)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the salience %s cannot take effect: %s ranks by %s; leave out the method, or take another",
                         own->name, r->name, others);
    r->salience = &r->own;
    r->signal = signal_of(r);
    return PARE_OK;
}
