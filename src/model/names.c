#include "model/names.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOTS = sizeof((pare_family){0}.roots) / sizeof(char *) };

/* Root `index` of the family, most usual first; NULL behind the last. */
static const char *root_of(const pare_family *family, size_t index) {
    if (!family->roots[0]) return index == 0 ? "model." : NULL;
    return index < ROOTS ? family->roots[index] : NULL;
}

/* Any of three tensors, so that the one that is missing can be named. */
static bool holds(const pare_checkpoint *checkpoint, const pare_config *config) {
    static const pare_role roles[] = {PARE_ROLE_O, PARE_ROLE_DOWN};
    char name[PARE_NAME_BYTES];
    bool found = false;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        pare_layer_tensor_name(config, 0, roles[i], name);
        found |= pare_checkpoint_find(checkpoint, name) != NULL;
    }
    pare_end_tensor_name(config, PARE_END_EMBEDDING, name);
    return found || pare_checkpoint_find(checkpoint, name);
}

static void set_roots(pare_config *config, const char *before, const char *root, const char *head) {
    snprintf(config->root, sizeof config->root, "%s%s", before, root);
    snprintf(config->head_root, sizeof config->head_root, "%s", head);
}

void pare_names_find_root(const pare_checkpoint *checkpoint, pare_config *config) {
    /* As transformers spells the language model of a wrapper in its files and in memory, and in those of the wrapper
     * without its head. */
    static const char inside[] = "language_model.", within[] = "model.language_model.";
    for (size_t i = 0; root_of(config->family, i); i++) {
        const char *root = root_of(config->family, i);
        set_roots(config, "", root, "");
        if (holds(checkpoint, config)) return;
        set_roots(config, inside, root, inside);
        if (config->text != config->json && holds(checkpoint, config)) return;
    }
    set_roots(config, within, "", "");
    if (config->text != config->json && holds(checkpoint, config)) return;
    set_roots(config, inside, "", "");
    if (config->text != config->json && holds(checkpoint, config)) return;
    pare_names_usual_root(config);
}

void pare_names_usual_root(pare_config *config) {
    set_roots(config, "", root_of(config->family, 0), "");
}

const pare_fused *pare_family_fused(const pare_family *family, pare_role role) {
    for (int i = 0; i < PARE_FUSED && family->fused[i].name; i++)
        for (int part = 0; part < family->fused[i].count; part++)
            if (family->fused[i].parts[part] == pare_roles[role].of) return &family->fused[i];
    return NULL;
}

char *pare_carried_name(const pare_config *config, const char *name) {
    const char *const *pair = config->family->carried;
    size_t length = pair[0] ? strlen(pair[0]) : 0;
    bool other = length && config->text != config->json && strncmp(name, pair[0], length) == 0 &&
                 strncmp(name, pair[1], strlen(pair[1])) != 0;
    return other ? pare_format("%s%s", pair[1], name + length) : pare_format("%s", name);
}

const char pare_predicting_key[] = "num_nextn_predict_layers";

bool pare_name_predicts(const pare_config *config, const char *name) {
    char prefix[PARE_NAME_BYTES], *end;
    json_int_t more = json_integer_value(json_object_get(config->text, pare_predicting_key));
    pare_layer_prefix(config, prefix);
    size_t length = strlen(prefix);
    if (more <= 0 || strncmp(name, prefix, length) != 0) return false;
    unsigned long long layer = strtoull(name + length, &end, 10);
    return end != name + length && *end == '.' && layer >= config->layers &&
           layer - config->layers < (unsigned long long)more;
}

void pare_layer_prefix(const pare_config *config, char prefix[PARE_NAME_BYTES]) {
    const char *layer = config->family->layer;
    snprintf(prefix, PARE_NAME_BYTES, "%s%s", config->root, layer ? layer : "layers.");
}

/* The role's name behind the layer's number, without suffix. Beside experts, gate, up and down are those of the expert
 * that all tokens reach. */
static void role_name(const pare_config *config, uint32_t layer, pare_role role, char name[PARE_NAME_BYTES]) {
    bool straight = role == PARE_ROLE_Q && config->latent.keys && !config->latent.queries;
    const char *own = straight ? config->family->latent.straight : pare_family_role(config->family, role);
    const char *last = strrchr(own, '.');
    const char *shared = config->plan && config->plan[layer].routed ? config->family->experts.shared : NULL;
    bool inside = shared && last && pare_roles[role].of < PARE_MATRIX_ROLES && pare_role_in(role, PARE_PART_FFN);
    snprintf(name, PARE_NAME_BYTES, "%.48s%.48s", inside ? shared : "", inside ? last + 1 : own);
}

void pare_layer_tensor_name(const pare_config *config, uint32_t layer, pare_role role, char name[PARE_NAME_BYTES]) {
    const pare_fused *fused = pare_family_fused(config->family, role);
    char prefix[PARE_NAME_BYTES], own[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    role_name(config, layer, role, own);
    snprintf(name, PARE_NAME_BYTES, "%.72s%u.%.64s%s", prefix, layer, fused ? fused->name : own,
             pare_role_suffix(role));
}

void pare_query_down_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) {
    char prefix[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    snprintf(name, PARE_NAME_BYTES, "%.72s%u.%.64s.weight", prefix, layer, config->family->latent.query_down);
}

bool pare_role_is_by_head(const pare_config *config, pare_role role) {
    return config->family->norms_by_head && (role == PARE_ROLE_Q_NORM || role == PARE_ROLE_K_NORM);
}

void pare_head_tensor_name(const pare_config *config, uint32_t layer, pare_role role, uint32_t head,
                           char name[PARE_NAME_BYTES]) {
    char prefix[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    snprintf(name, PARE_NAME_BYTES, "%.64s%u.%.64s.%u.weight", prefix, layer, pare_family_role(config->family, role),
             head);
}

void pare_end_tensor_name(const pare_config *config, pare_end end, char name[PARE_NAME_BYTES]) {
    bool head = end == PARE_END_HEAD || end == PARE_END_HEAD_BIAS;
    bool bias = end == PARE_END_HEAD_BIAS || end == PARE_END_FINAL_NORM_BIAS || end == PARE_END_EMBEDDING_NORM_BIAS ||
                end == PARE_END_PROJECT_IN_BIAS;
    bool bare = config->family->bare_ends & pare_end_bit(end);
    snprintf(name, PARE_NAME_BYTES, "%s%s%s", head ? config->head_root : config->root,
             pare_family_end(config->family, end),
             bare   ? ""
             : bias ? ".bias"
                    : ".weight");
}
