#include "model/gguf_experts.h"
#include "model/family.h"
#include "model/gguf_llama4.h"

#include <stdio.h>

/* LLAMA_MAX_EXPERTS */
enum { MOST_EXPERTS = 512, WIDTH_LIMIT = 1 << 24 };

void pare_gguf_expert_name(uint32_t layer, pare_expert_tensor what, pare_expert_part part,
                           char name[PARE_GGUF_NAME_BYTES]) {
    static const char *const parts[PARE_EXPERT_PARTS] = {"gate", "up", "down"};
    static const char *const others[PARE_EXPERT_OWN] = {[PARE_EXPERT_ROUTER] = "ffn_gate_inp.weight",
                                                        [PARE_EXPERT_SHARED_GATE] = "ffn_gate_inp_shexp.weight",
                                                        [PARE_EXPERT_CORRECTION] = "exp_probs_b.bias"};
    if (what == PARE_EXPERT_OWN)
        snprintf(name, PARE_GGUF_NAME_BYTES, "blk.%u.ffn_%s_exps.weight", layer, parts[part]);
    else
        snprintf(name, PARE_GGUF_NAME_BYTES, "blk.%u.%s", layer, others[what]);
}

const char *pare_gguf_shared_key(const pare_expert_rule *rule) {
    if (rule->shared_count_key) return "expert_shared_count";
    return rule->shared_key ? "expert_shared_feed_forward_length" : NULL;
}

/* Layers with experts like each other, and those without. */
static bool layers_alike(const pare_config *config) {
    const pare_widths *w = config->widths;
    for (uint32_t i = 1; i < config->layers; i++) {
        uint32_t first = 0;
        while (config->plan[first].routed != config->plan[i].routed)
            first++;
        if (w[i].heads != w[0].heads || w[i].kv_heads != w[0].kv_heads || w[i].ffn != w[first].ffn ||
            w[i].experts != w[first].experts)
            return false;
    }
    return true;
}

static const char *misplaced(const pare_config *config) {
    const pare_expert_rule *rule = &config->family->experts;
    bool first = rule->first_dense || rule->types_key, routed = false;
    for (uint32_t i = 0; i < config->layers; i++) {
        if (!config->plan[i].routed && !first) return "experts in all layers";
        if (!config->plan[i].routed && routed) return "dense layers in front of all others alone";
        routed |= config->plan[i].routed;
    }
    return NULL;
}

const char *pare_gguf_experts_misfit(const pare_config *config, const pare_gguf_architecture *row) {
    const pare_experts *e = &config->experts;
    if (!e->count) return NULL;
    if (e->count > MOST_EXPERTS) return "at most 512 experts in a layer";
    if (!layers_alike(config)) return "the same widths in all layers";
    const char *place = row->llama4 ? pare_gguf_llama4_misfit(config) : misplaced(config);
    if (place) return place;
    bool said = config->family->experts.scale_key;
    if (!said && row->raw_shares && e->normalised) return "shares that do not add up to 1 (norm_topk_prob false)";
    if (!said && !row->raw_shares && !e->normalised) return "shares that add up to 1 (norm_topk_prob true)";
    if (e->groups_chosen < e->groups && !e->groups_by_two)
        return "groups of experts that are liked by their two best, not by the best one";
    return NULL;
}

uint32_t pare_gguf_dense_width(const pare_config *config) {
    const pare_expert_rule *rule = &config->family->experts;
    const json_t *said = json_object_get(config->text, pare_family_key(config->family, PARE_CONFIG_KEY_FFN));
    for (uint32_t i = 0; i < config->layers; i++)
        if (!config->plan[i].routed) return config->widths[i].ffn;
    bool usable = rule->width_key && json_integer_value(said) > 0 && json_integer_value(said) <= WIDTH_LIMIT;
    return usable ? (uint32_t)json_integer_value(said) : config->experts.width;
}
