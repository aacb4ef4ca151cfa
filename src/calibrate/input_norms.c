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
    pare_free(norms->squares);
    pare_free(norms->sums);
    *norms = (pare_input_norms){0};
}
