/* What config.json says of experts, as the metadata of a GGUF file (gguf_experts_config.c reads it). */
#include "model/config_experts.h"
#include "model/gguf_entries.h"
#include "model/gguf_experts.h"
#include "model/gguf_keys.h"
#include "model/gguf_llama4.h"

static uint32_t dense_layers(const pare_config *config) {
    uint32_t count = 0;
    while (!config->plan[count].routed)
        count++;
    return count;
}

/* Groups that leave no choice are none. */
static void put_groups(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_experts *experts) {
    if (experts->groups_chosen >= experts->groups) return;
    pare_gguf_put_size(metadata, row, "expert_group_count", experts->groups);
    pare_gguf_put_size(metadata, row, "expert_group_used_count", experts->groups_chosen);
}

void pare_gguf_put_experts(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config) {
    const pare_experts *e = &config->experts;
    const pare_expert_rule *rule = &config->family->experts;
    const char *shared = pare_gguf_shared_key(rule);
    if (!pare_has_experts(config)) return;
    pare_gguf_put_size(metadata, row, "expert_count", e->count);
    pare_gguf_put_size(metadata, row, "expert_used_count", e->chosen);
    if (rule->width_key) pare_gguf_put_size(metadata, row, "expert_feed_forward_length", e->width);
    if (shared) pare_gguf_put_size(metadata, row, shared, rule->shared_count_key ? e->shared / e->width : e->shared);
    if (row->llama4) pare_gguf_put_llama4(metadata, row, config);
    if (!rule->scale_key) return;
    pare_gguf_put_size(metadata, row, "leading_dense_block_count", dense_layers(config));
    pare_gguf_put_number(metadata, row, "expert_weights_scale", e->scale);
    pare_gguf_put_switch(metadata, row, "expert_weights_norm", e->normalised);
    pare_gguf_put_size(metadata, row, "expert_gating_func",
                       e->sigmoid ? PARE_GGUF_GATING_SIGMOID : PARE_GGUF_GATING_SOFTMAX);
    put_groups(metadata, row, e);
}
