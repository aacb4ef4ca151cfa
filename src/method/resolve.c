#include "method/recipe.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONSTANTS = 6 };

/* A constant with an option of its own: its key, and what was given. */
typedef struct constant {
    const char *key;
    double value;
    bool given;
} constant;

static void list_constants(const pare_prune_options *o, constant list[CONSTANTS]) {
    const constant all[CONSTANTS] = {
        {"steps", o->steps, o->steps != 0},
        {"draws", o->draws, o->draws != 0},
        {"sigma", o->sigma, pare_option_given(o->size, o->sigma)},
        {"rho", o->rho, o->rho != 0},
        {"gamma", o->gamma, o->gamma != 0},
        {"eta", o->eta, pare_option_given(o->size, o->eta)},
    };
    memcpy(list, all, sizeof all);
}

const char *pare_setting_key(size_t index) {
    const pare_key *key = pare_key_at(index);
    return key ? key->name : NULL;
}

const char *pare_setting_choice(const char *name, size_t index) {
    const pare_key *key = pare_key_find(name);
    if (!key || key->kind == PARE_KEY_INTEGER || key->kind == PARE_KEY_REAL) return NULL;
    return key->kind == PARE_KEY_SALIENCE ? pare_salience_name(index) : key->choices[index];
}

bool pare_key_is_settled(const pare_key *key, const pare_prune_options *o, const pare_recipe *r) {
    bool fixed = o->sparsity.of || o->sparsity.shares || r->element.compare == PARE_COMPARE_GLOBAL;
    if (r->mode != PARE_MODE_ELEMENT) return false;
    if (strcmp(key->name, "compare") == 0) return o->sparsity.of;
    return fixed && pare_allocation_has(r->element.allocation, PARE_TRAIT_COSTS) &&
           (strcmp(key->name, "allocate") == 0 || strcmp(key->name, "reach") == 0);
}

/* What was given and means nothing here. An eta of 0 is no threshold, which is what methods without one have. */
const char *pare_recipe_ignored(const pare_prune_options *o, const pare_recipe *recipe, size_t index) {
    constant constants[CONSTANTS];
    list_constants(o, constants);
    for (size_t i = 0; i < CONSTANTS; i++) {
        const pare_key *key = pare_key_find(constants[i].key);
        bool no_threshold = strcmp(key->name, "eta") == 0 && constants[i].value <= 0.0 &&
                            pare_signal_has(recipe->signal, PARE_TRAIT_STEPS);
        if (constants[i].given && !key->applies(recipe) && !no_threshold && index-- == 0) return key->option;
    }
    for (size_t i = 0; i < o->setting_count; i++) {
        const pare_key *key = pare_key_find(o->settings[i].key);
        bool idle = key && (!key->applies(recipe) || pare_key_is_settled(key, o, recipe));
        if (idle && key->option && index-- == 0) return key->option;
    }
    return pare_recipe_unused(o, recipe, index);
}

static pare_status set_constants(const pare_prune_options *o, pare_recipe *recipe) {
    constant constants[CONSTANTS];
    list_constants(o, constants);
    for (size_t i = 0; i < CONSTANTS; i++) {
        const pare_key *key = pare_key_find(constants[i].key);
        if (constants[i].given && key->applies(recipe))
            PARE_TRY(pare_key_set_number(key, key->option, constants[i].value, recipe));
    }
    return PARE_OK;
}

static pare_status set_text(const pare_key *key, const char *value, pare_recipe *recipe) {
    char *end;
    const char *where = key->option ? key->option : key->name;
    double number = strtod(value, &end);
    if (end != value && !*end) return pare_key_set_number(key, where, number, recipe);
    return pare_key_set_name(key, where, value, recipe);
}

static pare_status set_settings(const pare_prune_options *o, pare_recipe *recipe) {
    for (size_t i = 0; i < o->setting_count; i++) {
        const pare_key *key = pare_key_find(o->settings[i].key);
        if (!key) return pare_fail(PARE_BAD_ARGUMENT, "there is no setting '%s'", o->settings[i].key);
        PARE_TRY(set_text(key, o->settings[i].value, recipe));
    }
    return PARE_OK;
}

static const char *mode_setting(const pare_prune_options *o) {
    const char *mode = NULL;
    for (size_t i = 0; i < o->setting_count; i++)
        if (strcmp(o->settings[i].key, "mode") == 0) mode = o->settings[i].value;
    return mode;
}

/* Targets and modes go together. */
static pare_status check_mode(const pare_prune_options *o, const pare_recipe *recipe) {
    const char *mode = mode_setting(o);
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
    bool own = o->salience && !o->method && !o->recipe;
    const pare_recipe *preset = own ? pare_recipe_of_own(o) : pare_recipe_find(method);
    if (o->method && o->recipe) return pare_fail(PARE_BAD_ARGUMENT, "give either --method or --recipe, not both");
    if (!preset)
        return pare_fail(PARE_BAD_ARGUMENT, "--method %s: no such method; `pare help methods` lists them", method);
    pare_recipe_start(preset, out);
    if (o->recipe) PARE_TRY(pare_recipe_read(o->recipe, out));
    if (o->sparsity.given) pare_recipe_refine_to_elements(out);
    PARE_TRY(set_settings(o, out));
    if (o->salience) PARE_TRY(pare_recipe_take_own(o, out));
    PARE_TRY(set_constants(o, out));
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
