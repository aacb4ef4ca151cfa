#include "model/config_fit_experts.h"
#include "checkpoint/view.h"
#include "model/expert_names.h"
#include "model/family.h"

#include <stdio.h>

static pare_status expect_three(const pare_inventory *from, const char *name, uint64_t rows, uint64_t columns,
                                const pare_tensor **tensor) {
    const uint32_t experts = from->config->experts.count;
    char expected[96];
    PARE_TRY(pare_inventory_take(from, name, tensor));
    const pare_tensor *t = *tensor;
    if (t->rank == 3 && t->shape[0] == experts && t->shape[1] == rows && t->shape[2] == columns) return PARE_OK;
    snprintf(expected, sizeof expected, "[%u, %llu, %llu]", experts, (unsigned long long)rows,
             (unsigned long long)columns);
    return pare_inventory_refuse(from, t, expected);
}

static pare_status refuse_scattered(const pare_inventory *from, const pare_tensor *tensor) {
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: tensor %s does not lie in the file as it is used; load the model in transformers and save it "
                     "with save_pretrained",
                     pare_checkpoint_file(from->checkpoint, tensor->file), tensor->name);
}

/* Outputs and inputs of all experts, as one run of the file, or of two that take turns, in rows that can be gathered
 * where they are scattered. */
static pare_status expect_fused(const pare_inventory *from, const char *name, uint64_t outputs, uint64_t inputs) {
    const pare_expert_rule *rule = &from->config->family->experts;
    const pare_tensor *tensor;
    PARE_TRY(rule->turned ? expect_three(from, name, inputs, outputs, &tensor)
                          : expect_three(from, name, outputs, inputs, &tensor));
    const char *file = pare_checkpoint_file(from->checkpoint, tensor->file);
    bool straight = rule->turned && tensor->view; /* packed, or of a GGUF file: outputs lie before inputs */
    if (!straight && !pare_tensor_is_run(tensor) && !tensor->view->halves) return refuse_scattered(from, tensor);
    if (!rule->turned || inputs * sizeof(float) <= PARE_VIEW_ROW_BYTES) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s: tensor %s has experts that read %llu numbers each; pare transposes those of at most %d bytes",
                     file, name, (unsigned long long)inputs, PARE_VIEW_ROW_BYTES);
}

static pare_status fit_fused(const pare_inventory *from, uint32_t layer) {
    const pare_config *config = from->config;
    uint64_t d = config->hidden, width = config->experts.width;
    char name[PARE_NAME_BYTES];
    pare_expert_name(config, layer, 0, PARE_EXPERT_GATE, name);
    PARE_TRY(expect_fused(from, name, 2 * width, d));
    pare_expert_name(config, layer, 0, PARE_EXPERT_DOWN, name);
    return expect_fused(from, name, d, width);
}

static pare_status expect_biases(const pare_inventory *from, const char *name, uint64_t outputs) {
    PARE_TRY(pare_inventory_matrix(from, name, from->config->experts.count, outputs));
    const pare_tensor *tensor = pare_checkpoint_find(from->checkpoint, name);
    return tensor->view ? refuse_scattered(from, tensor) : PARE_OK; /* slices are views of their own */
}

static pare_status fit_biases(const pare_inventory *from, uint32_t layer) {
    const pare_config *config = from->config;
    uint64_t d = config->hidden, width = config->experts.width;
    char name[PARE_NAME_BYTES];
    if (!config->experts.biased) return PARE_OK;
    pare_router_bias_name(config, layer, name);
    PARE_TRY(pare_inventory_vector(from, name, config->experts.count));
    pare_expert_bias_name(config, layer, PARE_EXPERT_GATE, name);
    PARE_TRY(expect_biases(from, name, 2 * width));
    pare_expert_bias_name(config, layer, PARE_EXPERT_DOWN, name);
    return expect_biases(from, name, d);
}

static pare_status fit_each(const pare_inventory *from, uint32_t layer) {
    const pare_config *config = from->config;
    for (uint32_t expert = 0; expert < config->experts.count; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
            char name[PARE_NAME_BYTES];
            int64_t rows, columns;
            pare_expert_name(config, layer, expert, part, name);
            pare_expert_shape(config, part, &rows, &columns);
            PARE_TRY(pare_inventory_matrix(from, name, (uint64_t)rows, (uint64_t)columns));
        }
    return PARE_OK;
}

static pare_status fit_shared(const pare_inventory *from, uint32_t layer, const pare_widths *widths) {
    const pare_config *config = from->config;
    const pare_expert_rule *rule = &config->family->experts;
    char name[PARE_NAME_BYTES];
    if (!config->experts.shared) return PARE_OK;
    if (widths->ffn != config->experts.shared)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: by %s of config.json what all tokens reach is %u wide, but the tensors of layer %u have "
                         "%u; correct the one that is wrong",
                         pare_checkpoint_directory(from->checkpoint),
                         rule->shared_key ? rule->shared_key : rule->shared_count_key, config->experts.shared, layer,
                         widths->ffn);
    if (!config->experts.shared_gated) return PARE_OK;
    pare_shared_gate_name(config, layer, name);
    return pare_inventory_matrix(from, name, 1, config->hidden);
}

pare_status pare_config_fit_experts(const pare_inventory *from, uint32_t layer, pare_widths *widths) {
    const pare_config *config = from->config;
    char name[PARE_NAME_BYTES];
    if (!config->plan[layer].routed) return PARE_OK;
    widths->experts = config->experts.count;
    widths->expert_ffn = config->experts.width;
    pare_router_name(config, layer, name);
    PARE_TRY(pare_inventory_matrix(from, name, widths->experts, config->hidden));
    PARE_TRY(fit_shared(from, layer, widths));
    if (config->experts.corrected) {
        pare_correction_name(config, layer, name);
        PARE_TRY(pare_inventory_vector(from, name, widths->experts));
    }
    PARE_TRY(fit_biases(from, layer));
    return pare_experts_are_fused(config) ? fit_fused(from, layer) : fit_each(from, layer);
}
