/* Everything that can be set in a recipe: one row each. */
#include "method/effort.h"
#include "support/file.h"
#include "support/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const reductions[] = {"sum", "mean", "max", "prod", "first", "second", "standard", NULL};
static const char *const alignments[] = {"group", "llm-pruner", NULL};
static const char *const modes[] = {"block", "channel", "layer", "element", "expert", NULL};
static const char *const rankings[] = {"local", "uniform", "global", "global-raw", "rising", "global-score", NULL};
static const char *const head_units[] = {"kv", "query", NULL};
static const char *const proxes[] = {"none", "group", "l1", "released", NULL};
static const char *const choices[] = {"scores", "obs", NULL};
static const char *const fates[] = {"drop", "merge", NULL};
static const char *const routers[] = {"keep", "fit", NULL};
static const char *const metrics[] = {"plain", "fisher", NULL};
/* As pare_template_name has them, by index. */
static const char *const wordings[] = {"auto",    "alpaca",  "none",  "qwen-3", "chatml", "llama-3",
                                       "llama-2", "mistral", "gemma", "phi-3",  "zephyr", NULL};

static bool always(const pare_recipe *r) {
    (void)r;
    return true;
}

/* ADMM finds the mask itself, unless something else needs one or settles it. */
static bool goes_by_repair(const pare_recipe *r) {
    const pare_element_recipe *e = &r->element;
    bool free = !e->refinement && e->permutation == PARE_PERMUTE_NONE;
    bool chooses = pare_compensation_has(r->compensation, PARE_TRAIT_ALTERNATES) && e->admm_gradual > 0;
    return r->mode == PARE_MODE_ELEMENT && chooses && free && e->compare != PARE_COMPARE_GLOBAL;
}

/* Greedy removal goes by errors alone. */
static bool goes_by_scores(const pare_recipe *r) {
    return r->choice != PARE_CHOOSE_OBS && !goes_by_repair(r);
}

/* Units or weights that are ranked at random would be ranked by a salience, too. */
static bool scores_elements(const pare_recipe *r) {
    bool at_random = !r->signal && r->mode != PARE_MODE_LAYER && r->mode != PARE_MODE_EXPERT;
    return goes_by_scores(r) && (r->salience || at_random);
}

static bool reduces_elements(const pare_recipe *r) {
    return goes_by_scores(r) && r->salience && r->mode != PARE_MODE_ELEMENT;
}

static bool is_smoothed(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_NOISE);
}

static bool is_noisy(const pare_recipe *r) {
    return pare_recipe_steps(r) || is_smoothed(r);
}

static bool pulls(const pare_recipe *r) {
    return pare_recipe_steps(r) && r->moreau.prox != PARE_PROX_RELEASED;
}

static bool thresholds(const pare_recipe *r) {
    return pare_recipe_steps(r) && r->moreau.prox != PARE_PROX_NONE;
}

static bool is_block(const pare_recipe *r) {
    return r->mode == PARE_MODE_BLOCK;
}

static bool is_rising(const pare_recipe *r) {
    return is_block(r) && r->ranking == PARE_RANK_RISING;
}

static bool is_obs(const pare_recipe *r) {
    return r->choice == PARE_CHOOSE_OBS;
}

/* By more than means. */
static bool is_repaired(const pare_recipe *r) {
    return pare_recipe_repairs(r) && (is_obs(r) || pare_compensation_has(r->compensation, PARE_TRAITS_REFIT));
}

static bool is_expert(const pare_recipe *r) {
    return r->mode == PARE_MODE_EXPERT;
}

/* Experts' readers and their inputs stay as they are. */
static bool fits_readers(const pare_recipe *r) {
    return is_repaired(r) && !is_expert(r);
}

/* Whatever solves with a Gram matrix; least squares under a mask by conjugate gradients do only in the loss's metric.
 */
static bool is_damped(const pare_recipe *r) {
    bool inverse = r->salience && (r->salience->needs & PARE_NEEDS_INVERSE);
    bool repairs = pare_compensation_has(r->compensation, PARE_TRAIT_SWEEPS | PARE_TRAIT_ALTERNATES);
    bool fits = pare_compensation_has(r->compensation, PARE_TRAIT_SOLVES) && r->metric == PARE_METRIC_FISHER;
    bool solves = inverse || repairs || fits || pare_allocation_has(r->element.allocation, PARE_TRAIT_COSTS);
    return is_repaired(r) || (is_expert(r) && r->router) || (r->mode == PARE_MODE_ELEMENT && solves);
}

/* Whatever may lean on the dense model. */
static bool has_target(const pare_recipe *r) {
    return is_repaired(r) || r->mode == PARE_MODE_ELEMENT;
}

static bool mixes_dense(const pare_recipe *r) {
    return fits_readers(r) || (has_target(r) && !is_expert(r) && r->dense > 0.0);
}

static const char *const search_moves[] = {"promise", "random", NULL};

static bool may_reconstruct(const pare_recipe *r) {
    return !pare_recipe_trains(r);
}

static bool reconstructs(const pare_recipe *r) {
    return r->reconstruct > 0;
}

/* For each half of each layer. */
static bool searches_widths(const pare_recipe *r) {
    return pare_recipe_searches(r) && is_block(r) && r->ranking != PARE_RANK_UNIFORM;
}

#define AT(member) offsetof(pare_recipe, member)

static const pare_key keys[] = {
    {"effort", "--effort", PARE_KEY_CHOICE, AT(effort), pare_effort_names, .unsaid = true,
     .applies = pare_effort_offers},
    {"signal", NULL, PARE_KEY_CHOICE, AT(signal), pare_signal_names, .applies = always},
    {"salience", "--salience", PARE_KEY_SALIENCE, AT(salience), .applies = scores_elements},
    {"reduction", "--grouping", PARE_KEY_CHOICE, AT(reduction), reductions, .applies = reduces_elements},
    {"alignment", "--compat", PARE_KEY_CHOICE, AT(alignment), alignments, .applies = reduces_elements},
    {"mode", "--mode", PARE_KEY_CHOICE, AT(mode), modes, .applies = always},
    {"select", "--select", PARE_KEY_CHOICE, AT(ranking), rankings, .applies = is_block},
    {"gqa", "--gqa", PARE_KEY_SWITCH, AT(query_heads), head_units, .applies = is_block},
    {"keep_min", "--keep-min", PARE_KEY_REAL, AT(keep_min), .low = 0, .high = 1, .off_at_zero = true,
     .applies = is_block, .advice = "give the share of every layer's units that stays in any case, from 0 to 1"},
    {"rise", "--rise", PARE_KEY_REAL, AT(rise), .low = 0, .high = 1, .applies = is_rising,
     .advice = "give how far the ratio rises and falls around its mean, from 0 to 1"},
    {"choose", "--choose", PARE_KEY_CHOICE, AT(choice), choices, .applies = is_block},
    {"search_steps", "--search-steps", PARE_KEY_INTEGER, AT(search_steps), .low = 1, .high = 1e6,
     .applies = pare_recipe_searches, .with = "--allocate search",
     .advice = "give how often the whole model is measured, such as 400"},
    {"search_rounds", "--search-rounds", PARE_KEY_INTEGER, AT(search_rounds), .low = 1, .high = 5,
     .applies = pare_recipe_searches, .with = "--allocate search",
     .advice = "give a number of rounds from 1 to 5, each with finer levels"},
    {"search_moves", "--search-moves", PARE_KEY_SWITCH, AT(search_random), search_moves,
     .applies = pare_recipe_searches, .with = "--allocate search"},
    {"drop_halves", "--drop-halves", PARE_KEY_SWITCH, AT(drop_halves), pare_key_answers, .applies = searches_widths},
    {"compensate", "--compensate", PARE_KEY_CHOICE, AT(compensation), pare_compensation_names, .applies = always},
    {"experts", "--experts", PARE_KEY_CHOICE, AT(experts), fates, .applies = is_expert, .with = "--mode expert"},
    {"router", "--router", PARE_KEY_SWITCH, AT(router), routers, .applies = is_expert, .with = "--mode expert"},
    {"metric", "--metric", PARE_KEY_CHOICE, AT(metric), metrics, .applies = pare_recipe_measures_outputs},
    {"dense", "--dense", PARE_KEY_REAL, AT(dense), .low = 0, .high = 1, .off_at_zero = true, .applies = has_target,
     .advice = "give the dense model's share in the target, from 0 to 1"},
    {"readers", "--readers", PARE_KEY_REAL, AT(readers), .low = 0, .high = 1, .applies = fits_readers,
     .advice = "give the share of the correction that readers of the hidden state take, from 0 to 1"},
    {"final_norm", "--final-norm", PARE_KEY_SWITCH, AT(final_norm), pare_key_answers, .applies = has_target},
    {"damping", "--damping", PARE_KEY_REAL, AT(damping), .low = 0, .high = 1e6, .applies = is_damped,
     .advice = "give a share of the Gram matrix's mean diagonal, such as 0.01"},
    {"reader_damping", NULL, PARE_KEY_REAL, AT(reader_damping), .low = 0, .high = 1e6, .applies = mixes_dense,
     .advice = "give a share of the Gram matrix's mean diagonal, such as 0.01"},
    {"held_out", NULL, PARE_KEY_SWITCH, AT(held_out), pare_key_answers, .applies = fits_readers},
    {"fraction", NULL, PARE_KEY_REAL, AT(fraction), .low = 0, .high = 1, .open = true, .applies = is_obs,
     .advice = "give the share of the remaining channels that one round removes, such as 0.0625"},
    {"steps", "--steps", PARE_KEY_INTEGER, AT(moreau.steps), .low = 1, .high = 1e6, .applies = is_noisy,
     .advice = "give a number of steps from 1 to 1000000"},
    {"draws", "--draws", PARE_KEY_INTEGER, AT(moreau.draws), .low = 1, .high = 1e6, .applies = pare_recipe_steps,
     .advice = "give a number of draws from 1 to 1000000"},
    {"sigma", "--sigma", PARE_KEY_REAL, AT(moreau.sigma), .low = 0, .high = 100, .applies = is_noisy,
     .advice = "give the noise as a share of each weight, such as 0.05"},
    {"rho", "--rho", PARE_KEY_REAL, AT(moreau.rho), .low = 0, .high = 1e12, .open = true, .applies = pulls,
     .advice = "give a positive number, such as 0.2"},
    {"gamma", "--gamma", PARE_KEY_REAL, AT(moreau.gamma), .low = 0, .high = 1e12, .open = true,
     .applies = pare_recipe_steps, .advice = "give a positive step size, such as 2e-4"},
    {"eta", "--eta", PARE_KEY_REAL, AT(moreau.eta), .low = 0, .high = 1e12, .applies = thresholds,
     .advice = "give a threshold of 0 or more, such as 5e-6"},
    {"eta_quantile", "--eta", PARE_KEY_REAL, AT(moreau.eta_quantile), .low = 0, .high = 1, .off_at_zero = true,
     .applies = thresholds,
     .advice = "give the share of rows that the threshold zeroes, between 0 and 1, such as q0.3"},
    {"prox", NULL, PARE_KEY_CHOICE, AT(moreau.prox), proxes, .applies = pare_recipe_steps},
    {"tail", "--tail", PARE_KEY_INTEGER, AT(moreau.tail), .low = 1, .high = 1e6, .applies = pare_recipe_steps,
     .advice = "give how many of the last iterates are averaged, 1 or more"},
    {"reconstruct", "--reconstruct", PARE_KEY_INTEGER, AT(reconstruct), .low = 0, .high = 1e6, .off_at_zero = true,
     .applies = may_reconstruct, .advice = "give the steps of training for each half of a block, such as 100"},
    {"reconstruct_rate", "--reconstruct-rate", PARE_KEY_REAL, AT(reconstruct_rate), .low = 0, .high = 1, .open = true,
     .applies = reconstructs, .with = "--reconstruct", .advice = "give the rate of the first step, such as 1e-3"},
    {"reconstruct_rank", "--reconstruct-rank", PARE_KEY_INTEGER, AT(reconstruct_rank), .low = 0, .high = 65536,
     .off_at_zero = true, .applies = reconstructs, .with = "--reconstruct",
     .advice = "give the rank of the changes that --reconstruct makes, such as 32, or 0 to train all weights"},
    {"reconstruct_metric", "--reconstruct-metric", PARE_KEY_CHOICE, AT(reconstruct_metric), metrics,
     .applies = reconstructs, .with = "--reconstruct"},
    {"reconstruct_dense", "--reconstruct-dense", PARE_KEY_REAL, AT(reconstruct_dense), .low = 0, .high = 1,
     .applies = reconstructs, .with = "--reconstruct",
     .advice = "give the dense model's share in what --reconstruct learns, from 0 to 1"},
    {"wording", "--wording", PARE_KEY_CHOICE, AT(wording), wordings, .applies = pare_recipe_needs_data},
};

enum { KEYS = sizeof keys / sizeof *keys };

const pare_key *pare_key_at(size_t index) {
    if (index < KEYS) return &keys[index];
    index -= KEYS;
    if (index < pare_element_key_count) return &pare_element_keys[index];
    index -= pare_element_key_count;
    if (index < pare_lora_key_count) return &pare_lora_keys[index];
    index -= pare_lora_key_count;
    return index < pare_gates_key_count ? &pare_gates_keys[index] : NULL;
}

const pare_key *pare_key_find(const char *name) {
    const pare_key *key;
    for (size_t i = 0; (key = pare_key_at(i)); i++)
        if (strcmp(key->name, name) == 0) return key;
    return NULL;
}

static const pare_key *of_option(const char *option, size_t length) {
    const pare_key *key;
    for (size_t i = 0; (key = pare_key_at(i)); i++)
        if (key->option && strlen(key->option) == length && strncmp(key->option, option, length) == 0) return key;
    return NULL;
}

const char *pare_key_lacks(const char *option, const pare_recipe *recipe) {
    const pare_key *key = of_option(option, strlen(option));
    if (!key || !key->with || key->applies(recipe)) return NULL;
    const pare_key *other = of_option(key->with, strcspn(key->with, " "));
    return other && other->applies(recipe) ? key->with : NULL;
}

const pare_key *pare_key_of(size_t offset) {
    size_t i = 0;
    while (pare_key_at(i)->offset != offset)
        i++;
    return pare_key_at(i);
}

bool pare_key_is_settled(const pare_key *key, const pare_sparsity *target, const pare_recipe *r) {
    bool fixed = target->of || target->shares || r->element.compare == PARE_COMPARE_GLOBAL;
    if (r->mode != PARE_MODE_ELEMENT) return false;
    if (key == PARE_KEY_OF(element.compare)) return target->of;
    bool shared = key == PARE_KEY_OF(element.allocation) || key == PARE_KEY_OF(element.spread);
    return fixed && shared && pare_allocation_has(r->element.allocation, PARE_TRAIT_COSTS);
}

const char *pare_setting_key(size_t index) {
    const pare_key *key = pare_key_at(index);
    return key ? key->name : NULL;
}

static const char *choice_at(const pare_key *key, size_t index) {
    return key->kind == PARE_KEY_SALIENCE ? pare_salience_name(index) : key->choices[index];
}

const char *pare_setting_choice(const char *name, size_t index) {
    const pare_key *key = pare_key_find(name);
    bool number = key && (key->kind == PARE_KEY_INTEGER || key->kind == PARE_KEY_REAL);
    return key && !number ? choice_at(key, index) : NULL;
}

/* "a, b or c" (freed by the caller) */
static char *list_choices(const pare_key *key) {
    char *list = pare_format("%s", choice_at(key, 0));
    for (size_t i = 1; choice_at(key, i); i++) {
        char *longer = pare_format("%s%s%s", list, choice_at(key, i + 1) ? ", " : " or ", choice_at(key, i));
        free(list);
        list = longer;
    }
    return list;
}

static size_t place_of(const pare_key *key) {
    size_t i = 0;
    while (pare_key_at(i) != key)
        i++;
    return i;
}

bool pare_key_is_given(const pare_key *key, const pare_recipe *recipe) {
    size_t place = place_of(key);
    return recipe->given.bits[place / 64] >> (place % 64) & 1;
}

static void note_given(const pare_key *key, pare_recipe *recipe) {
    size_t place = place_of(key);
    recipe->given.bits[place / 64] |= (uint64_t)1 << (place % 64);
}

pare_status pare_key_set_name(const pare_key *key, const char *where, const char *value, pare_recipe *recipe) {
    char *at = (char *)recipe + key->offset;
    bool chooses = key->kind != PARE_KEY_INTEGER && key->kind != PARE_KEY_REAL;
    for (size_t i = 0; chooses && choice_at(key, i); i++) {
        if (strcmp(choice_at(key, i), value) != 0) continue;
        if (key->kind == PARE_KEY_SALIENCE)
            *(const pare_salience **)at = pare_salience_find(value);
        else if (key->kind == PARE_KEY_SWITCH)
            *(bool *)at = i == 1;
        else
            *(unsigned *)at = (unsigned)i;
        note_given(key, recipe);
        return PARE_OK;
    }
    if (!chooses) return pare_fail(PARE_BAD_ARGUMENT, "%s '%s': %s", where, value, key->advice);
    char *list = list_choices(key);
    pare_status status = pare_fail(PARE_BAD_ARGUMENT, "%s '%s': choose %s", where, value, list);
    free(list);
    return status;
}

pare_status pare_key_set_number(const pare_key *key, const char *where, double value, pare_recipe *recipe) {
    char *at = (char *)recipe + key->offset;
    if (key->kind != PARE_KEY_INTEGER && key->kind != PARE_KEY_REAL) {
        char *list = list_choices(key);
        pare_status status = pare_fail(PARE_BAD_ARGUMENT, "%s %g: choose %s", where, value, list);
        free(list);
        return status;
    }
    bool whole = key->kind == PARE_KEY_REAL || value == trunc(value);
    if (!(value >= key->low && value <= key->high) || (key->open && value <= key->low) || !whole)
        return pare_fail(PARE_BAD_ARGUMENT, "%s %g: %s", where, value, key->advice);
    if (key->kind == PARE_KEY_INTEGER)
        *(int32_t *)at = (int32_t)value;
    else
        *(double *)at = value;
    note_given(key, recipe);
    return PARE_OK;
}

pare_status pare_key_set_text(const pare_key *key, const char *where, const char *value, pare_recipe *recipe) {
    char *end;
    double number = strtod(value, &end);
    if (end != value && !*end) return pare_key_set_number(key, where, number, recipe);
    return pare_key_set_name(key, where, value, recipe);
}

json_t *pare_key_json(const pare_key *key, const pare_recipe *recipe) {
    const char *at = (const char *)recipe + key->offset;
    const pare_salience *salience;
    switch (key->kind) {
    case PARE_KEY_INTEGER:
        return json_integer(*(const int32_t *)at);
    case PARE_KEY_REAL:
        return pare_json_real(*(const double *)at);
    case PARE_KEY_SALIENCE:
        salience = *(const pare_salience *const *)at;
        return salience ? pare_json_string(salience->name) : json_null();
    case PARE_KEY_SWITCH:
        return pare_json_string(key->choices[*(const bool *)at]);
    case PARE_KEY_CHOICE: /* units that are not searched are shared out by their ranking */
        if (key == PARE_KEY_OF(element.allocation) && !pare_recipe_is_element(recipe) && !pare_recipe_searches(recipe))
            return json_null();
        break;
    }
    return pare_json_string(key->choices[*(const unsigned *)at]);
}
