#include "model/expert_names.h"

#include <stdio.h>

void pare_expert_shape(const pare_config *config, pare_expert_part part, int64_t *rows, int64_t *columns) {
    *rows = part == PARE_EXPERT_DOWN ? config->hidden : config->experts.width;
    *columns = part == PARE_EXPERT_DOWN ? config->experts.width : config->hidden;
}

static void layer_name(const pare_config *config, uint32_t layer, const char *rest, const char *suffix,
                       char name[PARE_NAME_BYTES]) {
    char prefix[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    snprintf(name, PARE_NAME_BYTES, "%.72s%u.%.64s%s", prefix, layer, rest, suffix);
}

void pare_router_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) {
    layer_name(config, layer, config->family->experts.router, ".weight", name);
}

void pare_router_bias_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) {
    layer_name(config, layer, config->family->experts.router, ".bias", name);
}

void pare_shared_gate_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) {
    layer_name(config, layer, config->family->experts.shared_gate, ".weight", name);
}

void pare_correction_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) {
    layer_name(config, layer, config->family->experts.correction, "", name);
}

bool pare_experts_are_fused(const pare_config *config) {
    return config->family->experts.fused[0] != NULL;
}

void pare_expert_name(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part,
                      char name[PARE_NAME_BYTES]) {
    const pare_expert_rule *rule = &config->family->experts;
    char own[PARE_NAME_BYTES];
    if (rule->fused[0]) {
        layer_name(config, layer, rule->fused[part == PARE_EXPERT_DOWN], rule->bare ? "" : ".weight", name);
        return;
    }
    snprintf(own, sizeof own, "%.40s%u%.20s", rule->each, expert, rule->parts[part]);
    layer_name(config, layer, own, ".weight", name);
}

void pare_expert_bias_name(const pare_config *config, uint32_t layer, pare_expert_part part,
                           char name[PARE_NAME_BYTES]) {
    layer_name(config, layer, config->family->experts.fused[part == PARE_EXPERT_DOWN], "_bias", name);
}
