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
    pare_input_moments moments = {.width = width, .squares = norms->squares[layer][kind]};
    if (layer == 0 && kind == PARE_INPUT_QKV) norms->tokens += (uint64_t)tokens;
    return tokens ? pare_input_moments_add(norms->backend, &inputs, tokens, &moments) : PARE_OK;
}

pare_status pare_input_norms_new(const pare_model *model, const pare_backend *backend, pare_input_norms *out) {
    *out = (pare_input_norms){.backend = backend,
                              .layers = model->config.layers,
                              .observer = {.wants = wants_all, .see = see, .context = out}};
    pare_status status = pare_alloc(&out->squares, out->layers, sizeof *out->squares, "input norms");
    for (uint32_t layer = 0; layer < out->layers && status == PARE_OK; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS && status == PARE_OK; kind++)
            status =
                pare_alloc(&out->squares[layer][kind], (size_t)pare_input_width(model, layer, (pare_input_kind)kind),
                           sizeof(double), "input norms");
    if (status != PARE_OK) pare_input_norms_free(out);
    return status;
}

void pare_input_norms_free(pare_input_norms *norms) {
    for (uint32_t layer = 0; norms->squares && layer < norms->layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            pare_free(norms->squares[layer][kind]);
    pare_free(norms->squares);
    *norms = (pare_input_norms){0};
}
