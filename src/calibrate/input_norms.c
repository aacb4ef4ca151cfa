#include "calibrate/input_norms.h"
#include "calibrate/input_moments.h"
#include "support/memory.h"

static bool wants_all(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    pare_input_norms *norms = context;
    pare_inputs inputs = {.x = x, .tokens = tokens, .width = width, .by_feature = by_feature};
    pare_input_moments moments = {
        .width = width, .squares = norms->squares[layer][kind], .sums = norms->sums ? norms->sums[layer][kind] : NULL};
    if (layer == 0 && kind == PARE_INPUT_QKV) norms->tokens += (uint64_t)tokens;
    return tokens ? pare_input_moments_add(norms->backend, &inputs, tokens, &moments) : PARE_OK;
}

static pare_status new_sums(const pare_model *model, double *(**out)[PARE_INPUT_KINDS]) {
    PARE_TRY(pare_alloc(out, model->config.layers, sizeof **out, "input norms"));
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            PARE_TRY(pare_alloc(&(*out)[layer][kind], (size_t)pare_input_width(model, layer, (pare_input_kind)kind),
                                sizeof(double), "input norms"));
    return PARE_OK;
}

static pare_status add_squares(const pare_backend *backend, const void *x, int64_t tokens, int64_t width,
                               double *squares) {
    pare_inputs inputs = {.x = x, .tokens = tokens, .width = width};
    pare_input_moments moments = {.width = width, .squares = squares};
    return pare_input_moments_add(backend, &inputs, tokens, &moments);
}

static pare_status see_expert(void *context, const pare_expert_seen *seen) {
    const pare_input_norms *norms = context;
    int64_t d = norms->hidden, f = norms->expert_ffn;
    double *squares = norms->expert_squares[seen->layer] + seen->expert * (d + f);
    PARE_TRY(add_squares(norms->backend, seen->x, seen->tokens, d, squares));
    return add_squares(norms->backend, seen->activated, seen->tokens, f, squares + d);
}

static uint64_t expert_squares(const pare_config *config, uint32_t layer) {
    return config->widths[layer].experts * ((uint64_t)config->hidden + config->experts.width);
}

pare_status pare_input_norms_see_experts(const pare_model *model, pare_input_norms *norms) {
    const pare_config *config = &model->config;
    norms->hidden = config->hidden;
    norms->expert_ffn = config->experts.width;
    norms->observer.see_expert = see_expert;
    PARE_TRY(pare_alloc(&norms->expert_squares, config->layers, sizeof *norms->expert_squares, "input norms"));
    for (uint32_t layer = 0; layer < config->layers; layer++)
        PARE_TRY(
            pare_alloc(&norms->expert_squares[layer], expert_squares(config, layer), sizeof(double), "input norms"));
    return PARE_OK;
}

uint64_t pare_input_norms_expert_bytes(const pare_model *model) {
    uint64_t total = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        total += expert_squares(&model->config, layer) * sizeof(double);
    return total;
}

uint64_t pare_input_norms_bytes(const pare_model *model) {
    uint64_t total = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            total += (uint64_t)pare_input_width(model, layer, (pare_input_kind)kind) * sizeof(double);
    return total;
}

pare_status pare_input_norms_new(const pare_model *model, const pare_backend *backend, bool sums,
                                 pare_input_norms *out) {
    *out = (pare_input_norms){.backend = backend,
                              .layers = model->config.layers,
                              .observer = {.wants = wants_all, .see = see, .context = out}};
    pare_status status = new_sums(model, &out->squares);
    if (status == PARE_OK && sums) status = new_sums(model, &out->sums);
    if (status != PARE_OK) pare_input_norms_free(out);
    return status;
}

void pare_input_norms_free(pare_input_norms *norms) {
    for (uint32_t layer = 0; layer < norms->layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            if (norms->squares) pare_free(norms->squares[layer][kind]);
            if (norms->sums) pare_free(norms->sums[layer][kind]);
        }
    for (uint32_t layer = 0; norms->expert_squares && layer < norms->layers; layer++)
        pare_free(norms->expert_squares[layer]);
    pare_free(norms->expert_squares);
    pare_free(norms->squares);
    pare_free(norms->sums);
    *norms = (pare_input_norms){0};
}
