#include "select/select.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

uint64_t pare_parameters_with(const pare_model *model, const pare_widths *widths) {
    const pare_config *c = &model->config;
    uint64_t d = c->hidden, h = c->head_size, total = (uint64_t)c->vocabulary * d * (c->tied ? 1 : 2) + d;
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        const pare_widths *w = &widths[layer];
        total += 2 * d * h * ((uint64_t)w->heads + w->kv_heads) + 3 * d * w->ffn + 2 * d;
    }
    return total;
}

/* n - trunc(n (1 - ratio)), in double arithmetic as the reference has it. */
static uint64_t removed(uint64_t n, double ratio) {
    return n - (uint64_t)trunc((double)n * (1.0 - ratio));
}

static uint32_t round_up(uint32_t kept, uint32_t multiple, uint32_t most) {
    if (!multiple) return kept;
    uint64_t rounded = ((uint64_t)kept + multiple - 1) / multiple * multiple;
    return rounded < most ? (uint32_t)rounded : most;
}

static void widths_for(const pare_model *model, const pare_target *target, double ratio, pare_widths *widths) {
    const pare_config *c = &model->config;
    memcpy(widths, c->widths, c->layers * sizeof *widths);
    for (uint32_t layer = target->layer_begin; layer < target->layer_end; layer++) {
        pare_widths *w = &widths[layer];
        uint32_t shared = pare_widths_shared(w);
        uint32_t heads = (uint32_t)(removed((uint64_t)w->kv_heads * c->head_size, ratio) / c->head_size);
        uint32_t channels = (uint32_t)removed(w->ffn, ratio);
        w->kv_heads -= heads;
        w->heads = w->kv_heads * shared;
        w->ffn = round_up(w->ffn - channels, target->round_to, w->ffn);
    }
}

static pare_status check_widths(const pare_model *model, const pare_target *target, const pare_widths *widths) {
    for (uint32_t layer = target->layer_begin; layer < target->layer_end; layer++) {
        const char *what = !widths[layer].kv_heads ? "key/value head" : !widths[layer].ffn ? "FFN channel" : NULL;
        const pare_widths *before = &model->config.widths[layer];
        if (what && target->parameters)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--params %llu would leave layer %u without a single %s (it has %u key/value heads and %u "
                             "FFN channels); ask for more, or widen --layers",
                             (unsigned long long)target->parameters, layer, what, before->kv_heads, before->ffn);
        if (what)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--ratio %g would leave layer %u without a single %s (it has %u key/value heads and %u "
                             "FFN channels); ask for less",
                             target->ratio, layer, what, before->kv_heads, before->ffn);
    }
    return PARE_OK;
}

/* The smallest ratio whose widths have at most target->parameters; the parameter count falls in steps as it grows. */
static pare_status solve_ratio(const pare_model *model, pare_target *target, pare_widths *widths) {
    uint64_t now = pare_parameters_with(model, model->config.widths);
    if (target->parameters >= now)
        return pare_fail(PARE_BAD_ARGUMENT, "--params %llu: the model has only %llu parameters; ask for fewer",
                         (unsigned long long)target->parameters, (unsigned long long)now);
    double low = 0.0, high = 1.0;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        widths_for(model, target, middle, widths);
        if (pare_parameters_with(model, widths) <= target->parameters)
            high = middle;
        else
            low = middle;
    }
    target->ratio = high;
    widths_for(model, target, high, widths);
    uint64_t least = pare_parameters_with(model, widths);
    if (least > target->parameters)
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "--params %llu cannot be reached: with everything removable in layers %u:%u gone, %llu parameters "
            "remain; ask for more, or widen --layers",
            (unsigned long long)target->parameters, target->layer_begin, target->layer_end, (unsigned long long)least);
    return PARE_OK;
}

pare_status pare_widths_after(const pare_model *model, pare_target *target, pare_widths *widths) {
    uint32_t layers = model->config.layers;
    if (target->layer_begin >= target->layer_end || target->layer_end > layers)
        return pare_fail(PARE_BAD_ARGUMENT, "--layers %u:%u: the model has layers 0:%u (the end is not included)",
                         target->layer_begin, target->layer_end, layers);
    if (target->parameters) {
        PARE_TRY(solve_ratio(model, target, widths));
    } else {
        if (!(target->ratio > 0.0 && target->ratio < 1.0))
            return pare_fail(PARE_BAD_ARGUMENT, "--ratio %g: give a share of units between 0 and 1, both excluded",
                             target->ratio);
        widths_for(model, target, target->ratio, widths);
    }
    return check_widths(model, target, widths);
}
