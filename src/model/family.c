#include "model/family.h"

#include <string.h>

#define ROW_ADDRESS(name) &pare_family_##name,
static const pare_family *const rows[] = {PARE_FAMILIES(ROW_ADDRESS) NULL};

const pare_family *pare_family_at(size_t index) {
    return rows[index];
}

static bool has_type(const pare_family *family, const char *model_type) {
    for (size_t i = 0; i < sizeof family->types / sizeof *family->types && family->types[i]; i++)
        if (strcmp(family->types[i], model_type) == 0) return true;
    return false;
}

const pare_family *pare_family_find(const char *model_type) {
    size_t i = 0;
    while (rows[i] && !has_type(rows[i], model_type))
        i++;
    return rows[i];
}

const char *pare_family_key(const pare_family *family, pare_config_key key) {
    static const char *const usual[PARE_CONFIG_KEYS] = {
        [PARE_CONFIG_KEY_HIDDEN] = "hidden_size",
        [PARE_CONFIG_KEY_LAYERS] = "num_hidden_layers",
        [PARE_CONFIG_KEY_HEADS] = "num_attention_heads",
        [PARE_CONFIG_KEY_KV_HEADS] = "num_key_value_heads",
        [PARE_CONFIG_KEY_HEAD_DIM] = "head_dim",
        [PARE_CONFIG_KEY_FFN] = "intermediate_size",
        [PARE_CONFIG_KEY_POSITIONS] = "max_position_embeddings",
        [PARE_CONFIG_KEY_EPS] = "rms_norm_eps",
        [PARE_CONFIG_KEY_ACTIVATION] = "hidden_act",
    };
    return family->keys[key] ? family->keys[key] : usual[key];
}

const char *pare_family_role(const pare_family *family, pare_role role) {
    pare_role of = pare_roles[role].of;
    return family->roles[of] ? family->roles[of] : pare_roles[of].name;
}

const char *pare_family_end(const pare_family *family, pare_end end) {
    static const char *const usual[PARE_ENDS] = {
        [PARE_END_EMBEDDING] = "embed_tokens", [PARE_END_FINAL_NORM] = "norm",   [PARE_END_FINAL_NORM_BIAS] = "norm",
        [PARE_END_HEAD] = "lm_head",           [PARE_END_HEAD_BIAS] = "lm_head",
    };
    return family->ends[end] ? family->ends[end] : usual[end];
}

const pare_family *pare_family_other(const pare_config *config) {
    if (config->text != config->json) return NULL; /* a wrapper wants the class that it has */
    for (int i = 0; i < PARE_OTHERS && config->family->others[i].family; i++) {
        const pare_other *other = &config->family->others[i];
        if (!other->holds || other->holds(config)) return other->family;
    }
    return NULL;
}
