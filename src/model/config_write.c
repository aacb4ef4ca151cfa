#include "model/config_write.h"
#include "model/config_experts.h"
#include "model/config_layers.h"
#include "model/config_options.h"
#include "model/config_rope.h"
#include "model/config_stated.h"
#include "model/family.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* Layers with experts are like each other, and so are those without. */
static bool differ(const pare_config_sizes *sizes) {
    const pare_widths *widths = sizes->widths, *alike[2] = {NULL, NULL};
    if (!widths[0].heads) return true;
    for (uint32_t i = 0; i < sizes->layers; i++) {
        const pare_widths **first = &alike[widths[i].experts > 0];
        *first = *first ? *first : &widths[i];
        if (!widths[i].ffn && !widths[i].experts) return true;
        if (widths[i].heads != widths[0].heads || widths[i].kv_heads != widths[0].kv_heads ||
            widths[i].ffn != (*first)->ffn || widths[i].experts != (*first)->experts ||
            widths[i].expert_ffn != (*first)->expert_ffn)
            return true;
    }
    return false;
}

pare_heads_rule pare_config_heads_rule(const pare_config *original) {
    bool derived = original->family->derives_head_norm && original->architecture.head_norm != PARE_HEAD_NORM_NONE;
    return derived ? PARE_HEADS_TIED : original->family->heads;
}

bool pare_config_ties_heads(const pare_config *original) {
    const pare_widths *w = original->widths;
    bool whole = (uint64_t)w->heads * original->head_size == original->hidden && pare_config_is_even(original);
    bool free = pare_config_heads_rule(original) != PARE_HEADS_TIED || pare_family_other(original);
    return !free && whole && !original->family->fixed_ffn && original->architecture.positions != PARE_POSITIONS_ALIBI;
}

/* Whole groups, or single heads where all of them share one key and value. */
uint32_t pare_config_tied_heads(const pare_config *original) {
    const pare_widths *w = original->widths;
    return w->kv_heads == 1 ? 1 : w->heads / w->kv_heads;
}

bool pare_config_holds(const pare_config *original, uint32_t hidden, const pare_widths *widths) {
    switch (pare_config_heads_rule(original)) {
    case PARE_HEADS_FREE:
        return true;
    case PARE_HEADS_DIVIDE:
        return widths->heads && hidden % widths->heads == 0;
    case PARE_HEADS_TIED:
        return (uint64_t)widths->heads * original->head_size == hidden;
    }
    return false;
}

bool pare_config_fits(const pare_config *original, uint32_t hidden, const pare_widths *widths) {
    return pare_config_holds(original, hidden, widths) || pare_family_other(original);
}

/* A class that other engines than transformers hold better, where heads times their size are not the hidden size. */
static bool prefers_other(const pare_config *original, const pare_config_sizes *sizes) {
    bool usual = (uint64_t)sizes->widths[0].heads * original->head_size == sizes->hidden;
    return original->family->prefers_other && !usual && pare_family_other(original);
}

pare_config_kind pare_config_kind_of(const pare_config *original, const pare_config_sizes *sizes) {
    if (!sizes->layers || differ(sizes)) return PARE_CONFIG_PER_LAYER;
    bool holds = pare_config_holds(original, sizes->hidden, &sizes->widths[0]);
    if (original->family == &pare_family_mistral) return PARE_CONFIG_MISTRAL;
    if (holds && !prefers_other(original, sizes))
        return original->family == &pare_family_llama ? PARE_CONFIG_LLAMA : PARE_CONFIG_OWN;
    const pare_family *other = pare_family_other(original);
    if (!other) return PARE_CONFIG_PER_LAYER;
    return other == &pare_family_mistral ? PARE_CONFIG_MISTRAL : PARE_CONFIG_OTHER;
}

static void set_width(json_t *config, const char *key, const pare_config_sizes *sizes, bool per_layer,
                      uint32_t (*width_of)(const pare_widths *)) {
    json_t *value = per_layer ? json_array() : json_integer(width_of(sizes->widths));
    for (uint32_t i = 0; per_layer && i < sizes->layers; i++)
        pare_json_append(value, json_integer(width_of(&sizes->widths[i])));
    pare_json_put(config, key, value);
}

#define KV_KEY(family) pare_family_key(family, PARE_CONFIG_KEY_KV_HEADS)

static void set_sizes(json_t *config, const pare_config *original, const pare_config_sizes *sizes, bool per_layer) {
    const pare_family *family = original->family;
    const char *head_dim = pare_family_key(family, PARE_CONFIG_KEY_HEAD_DIM);
    bool fused_alike = original->kv_heads && !per_layer;
    pare_json_put(config, pare_family_key(family, PARE_CONFIG_KEY_HIDDEN), json_integer(sizes->hidden));
    pare_json_put(config, pare_family_key(family, PARE_CONFIG_KEY_LAYERS), json_integer(sizes->layers));
    if (per_layer || (*head_dim && family->heads != PARE_HEADS_TIED))
        pare_json_put(config, *head_dim ? head_dim : "head_dim", json_integer(original->head_size));
    set_width(config, pare_family_key(family, PARE_CONFIG_KEY_HEADS), sizes, per_layer, pare_widths_heads);
    if (!fused_alike && *KV_KEY(family) &&
        (per_layer || family->heads != PARE_HEADS_TIED || json_object_get(config, KV_KEY(family))))
        set_width(config, KV_KEY(family), sizes, per_layer, pare_widths_kv_heads);
    pare_config_write_experts(original, sizes, config);
    if (!family->fixed_ffn && !pare_has_experts(original))
        set_width(config, pare_family_key(family, PARE_CONFIG_KEY_FFN), sizes, per_layer, pare_widths_ffn);
    json_object_del(config, PARE_PER_LAYER_KEY);
    if (per_layer) pare_json_put(config, PARE_PER_LAYER_KEY, json_true());
}

/* Lists that may be as long as the model has layers by accident: of names, and of token ids. */
static bool is_about_layers(const char *key) {
    static const char *const others[] = {"architectures", "*token_id", "*token_ids", "*tokens", "mlp_only_layers"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (fnmatch(others[i], key, 0) == 0) return false;
    return true;
}

static void drop_entries(json_t *config, const pare_config *original, const bool *dropped) {
    const char *key;
    json_t *value;
    json_object_foreach(config, key, value) {
        if (!json_is_array(value) || json_array_size(value) != original->layers || !is_about_layers(key)) continue;
        for (uint32_t i = original->layers; i-- > 0;)
            if (dropped[i]) json_array_remove(value, i);
    }
}

static bool is_double(const json_t *config, const char *key) {
    const char *dtype = json_string_value(json_object_get(config, key));
    return dtype && strcmp(dtype, "float64") == 0;
}

static void state_dtype(json_t *config) {
    static const char *const dtypes[] = {"dtype", "torch_dtype"};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (is_double(config, dtypes[i])) pare_json_put(config, dtypes[i], pare_json_string("float32"));
}

/* A class may take another than the file names: Gemma's, whose first files say gelu. */
static bool says_activation(const pare_config *original, const json_t *name) {
    pare_activation said;
    return json_is_string(name) && pare_activation_find(json_string_value(name), &said) &&
           said == original->architecture.activation;
}

/* What pare took from the file or from the class's defaults is said, so that every engine takes the same. */
static void state_what_holds(json_t *config, const pare_config *original) {
    const pare_family *family = original->family;
    const char *activation = pare_family_key(family, PARE_CONFIG_KEY_ACTIVATION);
    const char *positions = pare_family_key(family, PARE_CONFIG_KEY_POSITIONS);
    if (!pare_reads_pictures(original)) pare_json_put(config, "tie_word_embeddings", json_boolean(original->tied));
    if (*positions) pare_json_put(config, positions, json_integer(original->stated_positions));
    if (family->fixed_eps <= 0)
        pare_json_put(config, pare_family_key(family, PARE_CONFIG_KEY_EPS), pare_json_real(original->rms_eps));
    if (!family->fixed_activation && !says_activation(original, json_object_get(config, activation)))
        pare_json_put(config, activation, pare_json_string(pare_activation_name(original->architecture.activation)));
    pare_config_write_ropes(original, config);
    json_object_del(config, "quantization_config");
    state_dtype(config);
}

uint32_t pare_config_roles_as(const pare_config *original, const pare_family *family) {
    uint32_t roles = family->architecture.roles;
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++)
        if (family->options[i].roles & original->architecture.roles) roles |= family->options[i].roles;
    return roles;
}

static void become(json_t *config, const pare_family *family) {
    pare_json_put(config, "model_type", pare_json_string(family->types[0]));
    pare_json_put(config, "architectures", pare_json_list_of(pare_json_string(family->class_name)));
}

/* The switches of the other family, and its keys in place of those that say the same. */
static void become_other(json_t *config, const pare_config *original, const pare_config_sizes *sizes) {
    const pare_family *family = pare_family_other(original), *own = original->family;
    pare_config as = *original;
    as.family = family;
    as.kv_heads = 0;
    for (pare_config_key key = 0; key < PARE_CONFIG_KEYS; key++)
        if (strcmp(pare_family_key(own, key), pare_family_key(family, key)) != 0)
            json_object_del(config, pare_family_key(own, key));
    for (int i = 0; i < PARE_ROPES && as.head_size; i++)
        as.rope[i].share = (double)as.rope[i].rotated / as.head_size;
    become(config, family);
    set_sizes(config, &as, sizes, false);
    state_what_holds(config, &as);
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++)
        if (family->options[i].kind == PARE_OPTION_ROLES)
            pare_json_put(config, family->options[i].key,
                          json_boolean(family->options[i].roles & original->architecture.roles));
}

static void become_mistral(json_t *config, const pare_config *original, const pare_config_sizes *sizes) {
    uint32_t window = original->plan[0].window;
    if (original->family != &pare_family_llama) become_other(config, original, sizes);
    become(config, &pare_family_mistral);
    pare_json_put(config, "sliding_window", window ? json_integer(window) : json_null());
    json_object_del(config, "attention_bias");
    json_object_del(config, "mlp_bias");
}

/* Indented, reals as short as they can be written without changing one of them. Freed with free(). */
static pare_status print(const json_t *config, char **out) {
    enum { SHORT_DIGITS = 15 };
    char *text;
    PARE_TRY(pare_json_dump(config, "config.json", JSON_INDENT(2) | JSON_REAL_PRECISION(SHORT_DIGITS), &text));
    json_t *again = json_loads(text, 0, NULL);
    pare_status status = PARE_OK;
    if (!json_equal(config, again)) {
        pare_free(text);
        status = pare_json_dump(config, "config.json", JSON_INDENT(2), &text);
    }
    json_decref(again);
    *out = status == PARE_OK ? pare_format("%s\n", text) : NULL;
    pare_free(text);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_config_write(const pare_config *original, const pare_config_sizes *sizes, char **text,
                              pare_config_kind *kind) {
    *kind = pare_config_kind_of(original, sizes);
    *text = NULL;
    if (!sizes->layers) return pare_fail(PARE_BAD_ARGUMENT, "a model without a single layer cannot be written");
    json_t *file = json_deep_copy(original->json);
    json_t *config = original->text == original->json ? file : json_object_get(file, "text_config");
    if (!config) {
        json_decref(file);
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to write a config.json");
    }
    pare_config_write_layers(original, sizes, config);
    if (sizes->dropped) drop_entries(config, original, sizes->dropped);
    set_sizes(config, original, sizes, *kind == PARE_CONFIG_PER_LAYER);
    state_what_holds(config, original);
    if (*kind == PARE_CONFIG_MISTRAL && original->family != &pare_family_mistral)
        become_mistral(config, original, sizes);
    if (*kind == PARE_CONFIG_OTHER) become_other(config, original, sizes);
    pare_status status = print(file, text);
    json_decref(file);
    return status;
}

/* A switch of the family that gives this role; NULL: there is none. */
static const pare_option *switch_of(const pare_family *family, pare_role role) {
    for (int i = 0; i < PARE_OPTIONS && family->options[i].key; i++) {
        const pare_option *option = &family->options[i];
        bool gives = option->kind == PARE_OPTION_ROLES && option->roles & pare_role_bit(role);
        if (gives && !strchr(option->key, '.')) return option;
    }
    return NULL;
}

bool pare_config_offers(const pare_config *original, const pare_family *family, uint32_t *biases) {
    const pare_architecture *a = &original->architecture;
    uint32_t all = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        if (!(*biases & pare_role_bit(role)) || family->architecture.roles & pare_role_bit(role)) continue;
        const pare_option *option = switch_of(family, role);
        if (!option) return false;
        all |= option->roles;
    }
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(a, role) || !pare_has_role(a, pare_roles[role].of)) all &= ~pare_role_bit(role);
    *biases |= all;
    return true;
}

bool pare_config_is_even(const pare_config *original) {
    pare_config_sizes sizes = {.layers = original->layers, .widths = original->widths};
    return !differ(&sizes);
}

pare_status pare_config_write_biased(const pare_config *original, const pare_family *family, uint32_t biases,
                                     char **text) {
    pare_config_sizes sizes = {.hidden = original->hidden, .layers = original->layers, .widths = original->widths};
    json_t *file = json_deep_copy(original->json);
    json_t *config = original->text == original->json ? file : json_object_get(file, "text_config");
    *text = NULL;
    if (!config) {
        json_decref(file);
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to write a config.json");
    }
    if (family != original->family) become_other(config, original, &sizes);
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        const pare_option *option = biases & pare_role_bit(role) ? switch_of(family, role) : NULL;
        if (option) pare_json_put(config, option->key, json_true());
    }
    pare_status status = print(file, text);
    json_decref(file);
    return status;
}

/* What transformers 4 takes from the file: rope_theta beside rope_scaling, and nothing of rope_parameters. */
static bool is_read_alike(const pare_config *config) {
    const json_t *theta = json_object_get(config->json, "rope_theta");
    const json_t *scaling = json_object_get(config->json, "rope_scaling");
    bool usual = config->family == &pare_family_llama || config->family == &pare_family_mistral;
    if (!usual) return true;
    double older = json_is_number(theta) ? json_number_value(theta) : 10000;
    bool scaled = config->rope[0].kind == PARE_ROPE_LINEAR || config->rope[0].kind == PARE_ROPE_LLAMA3;
    return older == config->rope[0].theta && (!scaled || json_object_size(scaling));
}

pare_status pare_config_restate(const pare_config *config, char **text) {
    bool untied = !config->tied && json_is_true(json_object_get(config->text, "tie_word_embeddings"));
    bool wide = is_double(config->json, "dtype") || is_double(config->json, "torch_dtype");
    *text = NULL;
    if (!untied && !wide && !config->made && is_read_alike(config)) return PARE_OK;
    json_t *file = json_deep_copy(config->json);
    json_t *json = config->text == config->json ? file : json_object_get(file, "text_config");
    if (json) state_what_holds(json, config);
    pare_status status =
        json ? print(file, text) : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to write a config.json");
    json_decref(file);
    return status;
}
