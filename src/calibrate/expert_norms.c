#include "calibrate/expert_norms.h"
#include "calibrate/input_moments.h"
#include "support/memory.h"

static bool wants(void *context, uint32_t layer, pare_input_kind kind) {
    const pare_expert_norms *norms = context;
    return norms->others->wants(norms->others->context, layer, kind);
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    const pare_expert_norms *norms = context;
    return norms->others->see(norms->others->context, layer, kind, x, tokens, width, by_feature);
}

static pare_status add(const pare_expert_norms *norms, const void *x, int64_t tokens, int64_t width, double *squares) {
    const pare_inputs inputs = {.x = x, .tokens = tokens, .width = width};
    pare_input_moments moments = {.width = width, .squares = squares};
    return pare_input_moments_add(norms->backend, &inputs, tokens, &moments);
}

static pare_status see_expert(void *context, const pare_expert_seen *seen) {
    pare_expert_norms *norms = context;
    size_t at = (size_t)seen->layer * norms->experts + seen->expert;
    if (!seen->tokens) return PARE_OK;
    norms->tokens[at] += (double)seen->tokens;
    PARE_TRY(add(norms, seen->x, seen->tokens, norms->hidden, norms->inputs + at * (size_t)norms->hidden));
    return add(norms, seen->activated, seen->tokens, norms->width, norms->inner + at * (size_t)norms->width);
}

uint64_t pare_expert_norms_bytes(const pare_model *model) {
    const pare_config *config = &model->config;
    uint64_t experts = (uint64_t)config->layers * config->experts.count;
    return experts * (1 + (uint64_t)config->hidden + config->experts.width) * sizeof(double);
}

pare_status pare_expert_norms_new(const pare_model *model, const pare_backend *backend, const pare_observer *others,
                                  pare_expert_norms *out) {
    const pare_config *config = &model->config;
    size_t experts = (size_t)config->layers * config->experts.count;
    *out = (pare_expert_norms){
        .backend = backend,
        .experts = config->experts.count,
        .hidden = config->hidden,
        .width = config->experts.width,
        .others = others,
        .observer = {.wants = wants, .see = see, .see_expert = experts ? see_expert : NULL, .context = out}};
    pare_status status = pare_alloc(&out->tokens, experts, sizeof *out->tokens, "input norms");
    if (status == PARE_OK)
        status = pare_alloc(&out->inputs, experts * config->hidden, sizeof *out->inputs, "input norms");
    if (status == PARE_OK)
        status = pare_alloc(&out->inner, experts * config->experts.width, sizeof *out->inner, "input norms");
    if (status != PARE_OK) pare_expert_norms_free(out);
    return status;
}

void pare_expert_norms_free(pare_expert_norms *norms) {
    pare_free(norms->tokens);
    pare_free(norms->inputs);
    pare_free(norms->inner);
    *norms = (pare_expert_norms){0};
}

const double *pare_expert_norms_of(const pare_expert_norms *norms, uint32_t layer, bool down) {
    size_t width = (size_t)(down ? norms->width : norms->hidden), first = (size_t)layer * norms->experts;
    return (down ? norms->inner : norms->inputs) + first * width;
}
