#include "model/config_experts.h"
#include "model/family.h"
#include "model/names.h"
#include "support/json_build.h"

#include <stdio.h>
#include <string.h>

enum { EXPERT_LIMIT = 1 << 16, WIDTH_LIMIT = 1 << 24, LAYER_LIMIT = 10000 };

static const double SCALE_LIMIT = 1e6;

static const char chosen_key[] = "num_experts_per_tok", step_key[] = "decoder_sparse_step",
                  dense_key[] = "mlp_only_layers", first_dense_key[] = "first_k_dense_replace",
                  groups_key[] = "n_group", groups_chosen_key[] = "topk_group";

/* Versions of transformers write the number of experts under one of these, whatever the class. */
static const char *const count_keys[] = {"n_routed_experts", "num_experts", "num_local_experts"};

enum { COUNT_KEYS = sizeof count_keys / sizeof *count_keys };

/* What a class takes where the file is silent; a number must be stated where it takes none. */
static int64_t usual(uint32_t fallback) {
    return fallback ? (int64_t)fallback : -1;
}

static pare_status read_count(pare_fields fields, const pare_expert_rule *rule, uint32_t *count) {
    const char *said = NULL;
    for (int i = 0; i < COUNT_KEYS; i++) {
        uint32_t here;
        if (!pare_field(fields, count_keys[i])) continue;
        PARE_TRY(pare_field_whole(fields, count_keys[i], 1, EXPERT_LIMIT, -1, &here));
        if (said && here != *count) {
            char expected[96];
            snprintf(expected, sizeof expected, "%s says %u; correct the one that is wrong", said, *count);
            return pare_field_refuse(PARE_FORMAT_ERROR, fields, count_keys[i], expected);
        }
        said = count_keys[i];
        *count = here;
    }
    if (said) return PARE_OK;
    return pare_field_whole(fields, rule->count_key, 1, EXPERT_LIMIT, usual(rule->fallback.count), count);
}

bool pare_experts_fit_groups(const pare_experts *experts, uint32_t count) {
    uint32_t each = count / experts->groups;
    return count % experts->groups == 0 && each >= (experts->groups_by_two ? 2 : 1) &&
           (uint64_t)each * experts->groups_chosen >= experts->chosen;
}

uint32_t pare_experts_shared_times(const pare_config *config) {
    const pare_expert_rule *rule = &config->family->experts;
    bool counted = pare_has_experts(config) && (rule->shared_count_key || rule->shared_alike);
    return counted ? config->experts.shared / config->experts.width : 0;
}

static pare_status read_shared(pare_fields fields, const pare_expert_rule *rule, pare_experts *experts) {
    const char *key = rule->shared_key ? rule->shared_key : rule->shared_count_key;
    uint32_t limit = rule->shared_key ? WIDTH_LIMIT : WIDTH_LIMIT / experts->width;
    if (rule->shared_alike) experts->shared = experts->width;
    if (!key) return PARE_OK;
    PARE_TRY(pare_field_whole(fields, key, 1, limit, rule->fallback.shared, &experts->shared));
    if (rule->shared_count_key) experts->shared *= experts->width;
    experts->shared_gated = rule->shared_gate != NULL;
    return PARE_OK;
}

static pare_status read_method(pare_fields fields, const char *key, bool *grouped) {
    const char *name;
    PARE_TRY(pare_field_text(fields, key, &name));
    *grouped = name && strcmp(name, "group_limited_greedy") == 0;
    if (*grouped || !name || strcmp(name, "greedy") == 0) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, key, "this class knows greedy and group_limited_greedy");
}

/* Every token must find as many experts as it chooses in the groups that are open to it, and where groups are liked by
 * two of them, these two. */
static pare_status read_groups(pare_fields fields, const pare_expert_rule *rule, pare_experts *experts) {
    char expected[128];
    experts->groups = experts->groups_chosen = 1;
    experts->groups_by_two = rule->groups_by_two;
    bool grouped = rule->fallback.groups > 0;
    if (rule->method_key) PARE_TRY(read_method(fields, rule->method_key, &grouped));
    if (!grouped) return PARE_OK;
    PARE_TRY(
        pare_field_whole(fields, groups_key, 1, PARE_EXPERT_GROUPS, usual(rule->fallback.groups), &experts->groups));
    PARE_TRY(pare_field_whole(fields, groups_chosen_key, 1, experts->groups, usual(rule->fallback.groups_chosen),
                              &experts->groups_chosen));
    if (experts->groups_chosen > experts->groups)
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, groups_chosen_key, "it must be at most n_group");
    if (pare_experts_fit_groups(experts, experts->count)) return PARE_OK;
    snprintf(expected, sizeof expected,
             "with it, %u experts do not divide into groups that hold the %u a token chooses in %u of them",
             experts->count, experts->chosen, experts->groups_chosen);
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, groups_key, expected);
}

static pare_status read_sizes(pare_fields fields, const pare_family *family, pare_experts *experts) {
    const pare_expert_rule *rule = &family->experts;
    const char *width = rule->width_key ? rule->width_key : pare_family_key(family, PARE_CONFIG_KEY_FFN);
    PARE_TRY(read_count(fields, rule, &experts->count));
    PARE_TRY(pare_field_whole(fields, chosen_key, 1, EXPERT_LIMIT, usual(rule->fallback.chosen), &experts->chosen));
    PARE_TRY(pare_field_whole(fields, width, 1, WIDTH_LIMIT, usual(rule->fallback.width), &experts->width));
    PARE_TRY(read_shared(fields, rule, experts));
    experts->normalised = !rule->fallback.unnormalised;
    if (rule->normalised_key)
        PARE_TRY(pare_field_flag_or(fields, rule->normalised_key, rule->fallback.normalised, &experts->normalised));
    experts->scale = 1.0;
    if (rule->scale_key)
        PARE_TRY(pare_field_positive(fields, rule->scale_key, SCALE_LIMIT, rule->fallback.scale, &experts->scale));
    if (rule->jitter_key)
        PARE_TRY(pare_field_positive(fields, rule->jitter_key, SCALE_LIMIT, rule->fallback.jitter, &experts->jitter));
    if (experts->jitter > 0.0 && experts->chosen != 2)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, chosen_key, "the router of this class chooses 2");
    experts->sigmoid = rule->sigmoid;
    experts->shares_inputs = rule->shares_inputs;
    experts->corrected = rule->correction != NULL;
    experts->biased = rule->biased;
    if (experts->chosen <= experts->count) return read_groups(fields, rule, experts);
    char expected[96];
    snprintf(expected, sizeof expected, "a token cannot choose more than the %u experts that there are",
             experts->count);
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, chosen_key, expected);
}

/* True if the list names the layer. */
static bool names(const json_t *list, uint32_t layer) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == (json_int_t)layer) return true;
    return false;
}

static pare_status find_layers(pare_fields fields, const char *key, const json_t **out) {
    const json_t *list = *out = pare_field(fields, key);
    bool good = !list || json_is_array(list);
    for (size_t i = 0; good && i < json_array_size(list); i++)
        good = json_is_integer(json_array_get(list, i));
    return good ? PARE_OK : pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a list of numbers of layers");
}

static const char sparse_name[] = "sparse", dense_name[] = "dense";

static bool is_sparse(const json_t *type) {
    const char *name = json_string_value(type);
    return name && strcmp(name, sparse_name) == 0;
}

/* *types: NULL if absent. */
static pare_status find_types(pare_fields fields, const char *key, uint32_t layers, const json_t **types) {
    *types = pare_field(fields, key);
    bool good = !*types || (json_is_array(*types) && json_array_size(*types) == layers);
    for (size_t i = 0; good && i < json_array_size(*types); i++) {
        const char *name = json_string_value(json_array_get(*types, i));
        good = name && (strcmp(name, sparse_name) == 0 || strcmp(name, dense_name) == 0);
    }
    return good ? PARE_OK
                : pare_field_refuse(PARE_FORMAT_ERROR, fields, key,
                                    "it must be a list of \"dense\" and \"sparse\", one for each layer");
}

pare_status pare_config_read_experts(pare_fields fields, pare_config *config) {
    const pare_expert_rule *rule = &config->family->experts;
    const json_t *dense = NULL, *routed = NULL, *types = NULL;
    uint32_t step = 1, first = rule->fallback.first_dense;
    if (!rule->router) return PARE_OK;
    PARE_TRY(read_sizes(fields, config->family, &config->experts));
    if (rule->sparse_step) {
        PARE_TRY(find_layers(fields, dense_key, &dense));
        PARE_TRY(pare_field_whole(fields, step_key, 1, LAYER_LIMIT, 1, &step));
    }
    if (rule->layers_key) PARE_TRY(find_layers(fields, rule->layers_key, &routed));
    if (rule->interval_key) PARE_TRY(pare_field_whole(fields, rule->interval_key, 1, LAYER_LIMIT, 1, &step));
    if (rule->first_dense)
        PARE_TRY(pare_field_whole(fields, first_dense_key, 0, LAYER_LIMIT, rule->fallback.first_dense, &first));
    if (rule->types_key) PARE_TRY(find_types(fields, rule->types_key, config->layers, &types));
    bool any = false;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        config->plan[layer].routed = layer >= first && !names(dense, layer) && (layer + 1) % step == 0;
        if (types) config->plan[layer].routed = is_sparse(json_array_get(types, layer));
        if (routed) config->plan[layer].routed = names(routed, layer);
        any |= config->plan[layer].routed;
    }
    if (!any) config->experts = (pare_experts){0};
    return PARE_OK;
}

static void put_types(const pare_config *original, const pare_config_sizes *sizes, const char *key, json_t *json) {
    json_t *list = json_array();
    for (uint32_t layer = 0; layer < original->layers; layer++)
        if (!sizes->dropped[layer])
            pare_json_append(list, pare_json_string(original->plan[layer].routed ? sparse_name : dense_name));
    pare_json_put(json, key, list);
}

/* Numbers among those that are left. */
static void put_layers(const pare_config *original, const pare_config_sizes *sizes, bool with, const char *key,
                       json_t *json) {
    json_t *list = json_array();
    uint32_t number = 0;
    for (uint32_t layer = 0; layer < original->layers; layer++) {
        if (sizes->dropped[layer]) continue;
        if (original->plan[layer].routed == with) pare_json_append(list, json_integer(number));
        number++;
    }
    pare_json_put(json, key, list);
}

/* Dense layers that come first, among those that are left. */
static json_int_t first_dense(const pare_config *original, const pare_config_sizes *sizes) {
    json_int_t number = 0;
    for (uint32_t layer = 0; layer < original->layers && !original->plan[layer].routed; layer++)
        number += !sizes->dropped[layer];
    return number;
}

/* Layers with experts are like each other, and so are those without. A class that has experts in every layer may know
 * the FFN's key by the width of each. */
static void put_widths(const pare_config *original, const pare_config_sizes *sizes, json_t *json) {
    const pare_expert_rule *rule = &original->family->experts;
    const char *ffn = pare_family_key(original->family, PARE_CONFIG_KEY_FFN);
    for (uint32_t i = 0; i < sizes->layers; i++) {
        const pare_widths *w = &sizes->widths[i];
        if (!w->experts && rule->width_key) pare_json_put(json, ffn, json_integer(w->ffn));
        if (!w->experts) continue;
        pare_json_put(json, rule->width_key ? rule->width_key : ffn, json_integer(w->expert_ffn));
        if (rule->shared_key) pare_json_put(json, rule->shared_key, json_integer(w->ffn));
    }
}

void pare_config_write_experts(const pare_config *original, const pare_config_sizes *sizes, json_t *json) {
    const pare_expert_rule *rule = &original->family->experts;
    uint32_t left = 0;
    if (!pare_has_experts(original)) return;
    for (uint32_t i = 0; i < sizes->layers; i++)
        left = sizes->widths[i].experts ? sizes->widths[i].experts : left;
    for (int i = 0; i < COUNT_KEYS && left; i++)
        if (json_object_get(json, count_keys[i])) pare_json_put(json, count_keys[i], json_integer(left));
    if (left) pare_json_put(json, rule->count_key, json_integer(left)); /* transformers 4 reads no other */
    pare_json_put(json, chosen_key, json_integer(original->experts.chosen));
    put_widths(original, sizes, json);
    bool fewer = sizes->dropped && sizes->layers != original->layers;
    if (fewer && rule->sparse_step) put_layers(original, sizes, false, dense_key, json);
    if (fewer && rule->sparse_step) pare_json_put(json, step_key, json_integer(1));
    if (fewer && rule->layers_key) put_layers(original, sizes, true, rule->layers_key, json);
    if (fewer && rule->types_key) put_types(original, sizes, rule->types_key, json);
    if (fewer && (rule->first_dense || json_object_get(json, first_dense_key)))
        pare_json_put(json, first_dense_key, json_integer(first_dense(original, sizes)));
    if (json_object_get(json, pare_predicting_key)) pare_json_put(json, pare_predicting_key, json_integer(0));
}
