/* The recipe of a pruning: a method or recipe file, with single choices changed. */
#include "method/effort.h"
#include "options/resolve.h"
#include <stdlib.h>
#include <string.h>

enum { CONSTANTS = 6 };

/* A constant with an option of its own: its key, and what was given. */
typedef struct constant {
    const pare_key *key;
    double value;
    bool given;
} constant;

static void list_constants(const pare_prune_options *o, constant list[CONSTANTS]) {
    const constant all[CONSTANTS] = {
        {PARE_KEY_OF(moreau.steps), o->steps, o->steps != 0},
        {PARE_KEY_OF(moreau.draws), o->draws, o->draws != 0},
        {PARE_KEY_OF(moreau.sigma), o->sigma, pare_option_given(o->size, o->sigma)},
        {PARE_KEY_OF(moreau.rho), o->rho, o->rho != 0},
        {PARE_KEY_OF(moreau.gamma), o->gamma, o->gamma != 0},
        {PARE_KEY_OF(moreau.eta), o->eta, pare_option_given(o->size, o->eta)},
    };
    memcpy(list, all, sizeof all);
}

/* What was given and means nothing here. An eta of 0 is no threshold, which is what methods without one have. */
const char *pare_recipe_ignored(const pare_prune_options *o, const pare_recipe *recipe, size_t index) {
    constant constants[CONSTANTS];
    list_constants(o, constants);
    for (size_t i = 0; i < CONSTANTS; i++) {
        const pare_key *key = constants[i].key;
        bool no_threshold = key == PARE_KEY_OF(moreau.eta) && constants[i].value <= 0.0 &&
                            pare_signal_has(recipe->signal, PARE_TRAIT_STEPS);
        if (constants[i].given && !key->applies(recipe) && !no_threshold && index-- == 0) return key->option;
    }
    for (size_t i = 0; i < o->setting_count; i++) {
        const pare_key *key = pare_key_find(o->settings[i].key);
        bool idle = key && (!key->applies(recipe) || pare_key_is_settled(key, &o->sparsity, recipe));
        if (idle && key->option && index-- == 0) return key->option;
    }
    return pare_recipe_unused(o, recipe, index);
}

static pare_status set_constants(const pare_prune_options *o, pare_recipe *recipe) {
    constant constants[CONSTANTS];
    list_constants(o, constants);
    for (size_t i = 0; i < CONSTANTS; i++) {
        const pare_key *key = constants[i].key;
        if (constants[i].given && key->applies(recipe))
            PARE_TRY(pare_key_set_number(key, key->option, constants[i].value, recipe));
    }
    return PARE_OK;
}

static pare_status set_settings(const pare_prune_options *o, pare_recipe *recipe) {
    for (size_t i = 0; i < o->setting_count; i++) {
        const pare_key *key = pare_key_find(o->settings[i].key);
        if (!key) return pare_fail(PARE_BAD_ARGUMENT, "there is no setting '%s'", o->settings[i].key);
        PARE_TRY(pare_key_set_text(key, key->option ? key->option : key->name, o->settings[i].value, recipe));
    }
    return PARE_OK;
}

/* What the last setting of this key says; NULL: none does. */
static const char *setting_of(const pare_prune_options *o, const pare_key *key) {
    const char *value = NULL;
    for (size_t i = 0; i < o->setting_count; i++)
        if (pare_key_find(o->settings[i].key) == key) value = o->settings[i].value;
    return value;
}

/* Targets and modes go together. */
static pare_status check_mode(const pare_prune_options *o, const pare_recipe *recipe) {
    const char *mode = setting_of(o, PARE_KEY_OF(mode));
    bool element = recipe->mode == PARE_MODE_ELEMENT;
    if (o->sparsity.given && !element && mode)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--sparsity and --pattern remove single weights: leave out --mode %s, or give --ratio", mode);
    if (o->sparsity.given && !element)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--sparsity and --pattern remove single weights, %s does not: give --ratio, or another method",
                         recipe->name);
    if (!o->sparsity.given && element && mode)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--mode %s removes single weights: say how many with --sparsity 0.5 or --pattern 2:4", mode);
    return PARE_OK;
}

pare_status pare_recipe_resolve(const pare_prune_options *o, pare_recipe *out) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, o));
    const char *method = o->method ? o->method : PARE_DEFAULT_METHOD;
    if (o->sparsity.given && strcmp(method, PARE_DEFAULT_METHOD) == 0) method = PARE_DEFAULT_ELEMENT_METHOD;
    const char *mode = setting_of(o, PARE_KEY_OF(mode));
    bool experts = mode && strcmp(mode, PARE_KEY_OF(mode)->choices[PARE_MODE_EXPERT]) == 0;
    if (experts && !o->method) method = PARE_DEFAULT_EXPERT_METHOD;
    bool own = o->salience && !o->method && !o->recipe;
    const pare_recipe *preset = own ? pare_recipe_of_own(o->sparsity.given) : pare_recipe_find(method);
    if (o->method && o->recipe) return pare_fail(PARE_BAD_ARGUMENT, "give either --method or --recipe, not both");
    if (!preset)
        return pare_fail(PARE_BAD_ARGUMENT, "--method %s: no such method; `pare help methods` lists them", method);
    pare_recipe_start(preset, out);
    if (o->recipe) PARE_TRY(pare_recipe_read(o->recipe, out));
    if (o->sparsity.given) pare_recipe_refine_to_elements(out);
    PARE_TRY(set_settings(o, out));
    if (o->salience) PARE_TRY(pare_recipe_take_own(o->salience, setting_of(o, PARE_KEY_OF(salience)), out));
    PARE_TRY(set_constants(o, out));
    pare_effort_target target = {.rounds = o->iterations > 1, .shares = o->ratios != NULL};
    PARE_TRY(pare_effort_apply(&target, out));
    PARE_TRY(check_mode(o, out));
    if (out->mode == PARE_MODE_CHANNEL && out->readers <= 0.0) out->readers = 1.0; /* there is nothing else to refit */
    out->moreau.unpulled = out->moreau.prox == PARE_PROX_RELEASED;
    return pare_recipe_check(out, o->recipe);
}

bool pare_recipe_spares_layers(const pare_prune_options *o) {
    pare_recipe recipe;
    bool named = o->layer_begin || o->layer_end || o->attention.given || o->ffn.given;
    return !named && pare_recipe_resolve(o, &recipe) == PARE_OK && pare_recipe_trains(&recipe);
}
