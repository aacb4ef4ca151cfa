#include "select/size.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "select/target.h"

uint64_t pare_role_parameters(const pare_config *config, const pare_widths *widths, uint32_t hidden, pare_role role) {
    pare_config of = *config;
    int64_t rows, columns;
    if (pare_widths_lack_norm(&config->architecture, widths, role)) return 0;
    of.hidden = hidden;
    pare_config_role_shape(&of, widths, role, &rows, &columns);
    return (uint64_t)rows * (uint64_t)columns;
}

/* The router's rows and what corrects its choice, the experts', with their biases, and the gate of the one that all
 * tokens reach. */
static uint64_t expert_parameters(const pare_config *config, const pare_widths *widths, uint32_t hidden) {
    const pare_experts *e = &config->experts;
    uint64_t each = hidden + (uint64_t)PARE_EXPERT_PARTS * widths->expert_ffn * hidden;
    if (e->biased) each += 1 + 2 * (uint64_t)widths->expert_ffn + hidden;
    if (!widths->experts) return 0;
    return widths->experts * (each + (e->corrected ? 1 : 0)) + (e->shared_gated ? hidden : 0);
}

uint64_t pare_layer_parameters(const pare_config *config, const pare_widths *widths, uint32_t hidden) {
    uint64_t total = expert_parameters(config, widths, hidden) + (uint64_t)config->latent.queries * hidden;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        total += pare_role_parameters(config, widths, hidden, role);
    return total;
}

/* An axis of each of them runs over hidden channels, but for the head's bias and where embeddings are projected. */
uint64_t pare_end_parameters(const pare_model *model, size_t id, uint32_t hidden) {
    const pare_config *config = &model->config;
    uint64_t count = model->tensors[id]->count;
    bool projected = pare_has_end(&config->architecture, PARE_END_PROJECT_IN);
    bool fixed = id == pare_tensor_id_end(model, PARE_END_HEAD_BIAS) ||
                 (projected && (id == pare_tensor_id_embedding() || id == pare_tensor_id_head(model)));
    return fixed ? count : count / config->hidden * hidden;
}

uint64_t pare_outer_parameters(const pare_model *model, uint32_t hidden) {
    const pare_config *config = &model->config;
    uint64_t total = 0;
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (!model->tensor_count) return (uint64_t)config->vocabulary * hidden * (config->tied ? 1 : 2) + hidden;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (!pare_tensor_id_split(model, id, &layer, &role) && !pare_tensor_id_split_expert(model, id, &place) &&
            !pare_tensor_id_split_latent(model, id, &layer))
            total += pare_end_parameters(model, id, hidden);
    return total;
}

uint64_t pare_parameters_with(const pare_model *model, const pare_widths *widths, uint32_t hidden) {
    uint64_t total = pare_outer_parameters(model, hidden);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        total += pare_layer_parameters(&model->config, &widths[layer], hidden);
    return total;
}

/* What `less` has less than the widths that a layer has. */
static uint64_t difference(const pare_config *config, const pare_widths *widths, const pare_widths *less) {
    return pare_layer_parameters(config, widths, config->hidden) - pare_layer_parameters(config, less, config->hidden);
}

uint64_t pare_channel_parameters(const pare_config *config, const pare_widths *widths) {
    pare_widths less = *widths;
    less.ffn -= widths->ffn > 0;
    return difference(config, widths, &less);
}

uint64_t pare_group_parameters(const pare_config *config, const pare_widths *widths) {
    pare_widths less = *widths;
    less.heads -= widths->kv_heads ? pare_widths_shared(widths) : 0;
    less.kv_heads -= widths->kv_heads > 0;
    return difference(config, widths, &less);
}

uint64_t pare_query_parameters(const pare_config *config, const pare_widths *widths) {
    pare_widths less = *widths;
    less.heads -= widths->kv_heads;
    return difference(config, widths, &less);
}
