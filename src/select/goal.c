#include "model/config_experts.h"
#include "model/config_write.h"
#include "select/size.h"
#include "select/target.h"
#include "support/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* n - trunc(n (1 - ratio)), in double arithmetic as the reference has it. */
static uint64_t removed(uint64_t n, double ratio) {
    return n - (uint64_t)trunc((double)n * (1.0 - ratio));
}

uint32_t pare_target_round(const pare_target *target, uint64_t channels, uint32_t most) {
    uint64_t multiple = target->round_to;
    uint64_t rounded = multiple ? (channels + multiple - 1) / multiple * multiple : channels;
    return rounded < most ? (uint32_t)rounded : most;
}

static uint32_t share_of(const pare_target *target, uint32_t count) {
    uint32_t least = (uint32_t)ceil(target->keep_min * (double)count), one = target->halves_go || !count ? 0 : 1;
    return least > one ? least : one;
}

static const pare_widths *widths_before(const pare_model *model, const pare_target *target, uint32_t layer) {
    return target->before ? &target->before[layer] : &model->config.widths[layer];
}

uint32_t pare_target_least_heads(const pare_model *model, const pare_target *target, uint32_t layer) {
    const pare_widths *w = widths_before(model, target, layer);
    return share_of(target, target->query_heads && w->heads ? pare_widths_shared(w) : w->kv_heads);
}

uint32_t pare_target_least_channels(const pare_model *model, const pare_target *target, uint32_t layer) {
    return share_of(target, widths_before(model, target, layer)->ffn);
}

/* `kept` of `count`, but no fewer than the share that stays in any case. */
static uint32_t at_least(const pare_target *target, uint32_t kept, uint32_t count) {
    uint32_t least = (uint32_t)ceil(target->keep_min * (double)count);
    return kept < least ? least : kept;
}

/* The share of units that layer `layer` loses at an overall ratio. */
static double ratio_of(const pare_target *target, double ratio, uint32_t layer) {
    if (target->ratios) return target->ratios[layer] * ratio;
    if (target->ranking != PARE_RANK_RISING) return ratio;
    uint32_t begin = target->ffn.begin < target->attention.begin ? target->ffn.begin : target->attention.begin;
    uint32_t end = target->ffn.end > target->attention.end ? target->ffn.end : target->attention.end;
    if (end - begin < 2) return ratio;
    double along = 2.0 * (double)(layer - begin) / (double)(end - begin - 1) - 1.0;
    return fmin(ratio * (1.0 + target->rise * along), 1.0);
}

/* Fewer are removed where no class would load what is left. */
static void fit_heads(const pare_model *model, const pare_target *target, const pare_widths *before, pare_widths *w) {
    uint32_t hidden = model->config.hidden;
    while (w->heads < before->heads && w->heads && !pare_config_fits(&model->config, hidden, w)) {
        w->kv_heads += target->query_heads ? 0 : 1;
        w->heads += target->query_heads ? w->kv_heads : pare_widths_shared(before);
    }
}

static void shrink_heads(const pare_model *model, const pare_target *target, double ratio, pare_widths *w) {
    uint32_t shared = pare_widths_shared(w), h = model->config.head_size;
    if (target->query_heads) {
        uint32_t each = shared - (uint32_t)(removed((uint64_t)shared * h, ratio) / h);
        w->heads = w->kv_heads * at_least(target, each, shared);
        return;
    }
    uint32_t kept = w->kv_heads - (uint32_t)(removed((uint64_t)w->kv_heads * h, ratio) / h);
    w->kv_heads = at_least(target, kept, w->kv_heads);
    w->heads = w->kv_heads * shared;
}

static uint32_t fewer_channels(const pare_target *target, double ratio, uint32_t channels) {
    return pare_target_round(target, at_least(target, channels - (uint32_t)removed(channels, ratio), channels),
                             channels);
}

/* Of each expert, and of what all tokens reach beside them, which may be bound to their width. */
static void shrink_ffn(const pare_model *model, const pare_target *target, double ratio, pare_widths *w) {
    uint32_t times = w->experts ? pare_experts_shared_times(&model->config) : 0;
    w->ffn = fewer_channels(target, ratio, w->ffn);
    w->expert_ffn = fewer_channels(target, ratio, w->expert_ffn);
    if (times) w->ffn = times * w->expert_ffn;
}

static void widths_at(const pare_model *model, const pare_target *target, double ratio, pare_widths *widths) {
    const pare_config *c = &model->config;
    memcpy(widths, c->widths, c->layers * sizeof *widths);
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        pare_widths *w = &widths[layer];
        double share = ratio_of(target, ratio, layer);
        if (pare_layer_in(target->attention, layer)) {
            shrink_heads(model, target, share, w);
            fit_heads(model, target, &c->widths[layer], w);
        }
        if (pare_layer_in(target->ffn, layer)) shrink_ffn(model, target, share, w);
    }
}

/* Exactly as many as a ratio has whole ones, in each of the groups that the router chooses in. */
static void drop_experts(const pare_model *model, double ratio, pare_widths *widths) {
    static const double rounding = 1e-9;
    const uint32_t groups = pare_experts_ranked_apart(&model->config.experts);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        widths[layer].experts -= groups * (uint32_t)floor((double)(widths[layer].experts / groups) * ratio + rounding);
}

static uint64_t bytes_with(const pare_model *model, uint64_t left) {
    uint64_t parameters = 0, bytes = 0;
    if (!model->tensor_count) return 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        parameters += model->tensors[id]->count;
        bytes += model->tensors[id]->count * pare_dtype_size(model->tensors[id]->dtype);
    }
    size_t size = pare_dtype_size(model->tensors[pare_tensor_id(0, PARE_ROLE_Q)]->dtype);
    return bytes - (parameters - left) * size;
}

static uint64_t units_in_range(const pare_model *model, const pare_target *target) {
    uint64_t units = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        if (target->mode == PARE_MODE_EXPERT) {
            units += w->experts;
            continue;
        }
        if (pare_layer_in(target->attention, layer)) units += w->kv_heads;
        if (pare_layer_in(target->ffn, layer)) units += w->ffn + (uint64_t)w->experts * w->expert_ffn;
    }
    return units;
}

/* So many channels, or the next larger number with which the class loads the heads. */
static uint32_t fit_hidden(const pare_model *model, const pare_target *target, uint64_t channels) {
    const pare_config *c = &model->config;
    uint32_t hidden = pare_target_round(target, channels, c->hidden);
    uint32_t unit = pare_config_ties_heads(c) ? pare_config_tied_heads(c) * c->head_size : 0;
    while (hidden < c->hidden && (unit ? hidden % unit != 0 : !pare_config_fits(c, hidden, &c->widths[0])))
        hidden = pare_target_round(target, hidden + 1, c->hidden);
    return hidden;
}

/* Heads go with the hidden channels where their class ties them. */
static void tie_heads(const pare_model *model, uint32_t hidden, pare_widths *widths) {
    const pare_config *c = &model->config;
    for (uint32_t layer = 0; layer < c->layers && pare_config_ties_heads(c); layer++) {
        widths[layer].heads = hidden / c->head_size;
        if (widths[layer].kv_heads > 1) widths[layer].kv_heads = widths[layer].heads / pare_config_tied_heads(c);
    }
}

/* Everything that a ratio means. */
static void goal_at(const pare_model *model, const pare_target *target, double ratio, pare_goal *goal) {
    const pare_config *c = &model->config;
    uint32_t range = target->attention.end - target->attention.begin;
    goal->ratio = ratio;
    goal->units = units_in_range(model, target);
    goal->hidden = c->hidden;
    goal->layers = c->layers;
    memcpy(goal->widths, c->widths, c->layers * sizeof *goal->widths);
    if (target->mode == PARE_MODE_CHANNEL) {
        goal->hidden = fit_hidden(model, target, c->hidden - removed(c->hidden, ratio));
        tie_heads(model, goal->hidden, goal->widths);
    } else if (target->mode == PARE_MODE_LAYER)
        goal->layers = c->layers - (uint32_t)removed(range, ratio);
    else if (target->mode == PARE_MODE_EXPERT)
        drop_experts(model, ratio, goal->widths);
    else
        widths_at(model, target, ratio, goal->widths);
    goal->parameters = pare_parameters_with(model, goal->widths, goal->hidden);
    goal->bytes = bytes_with(model, goal->parameters);
    if (target->mode != PARE_MODE_LAYER) return;
    /* Layers of one width on average: which ones go is not known yet. */
    uint64_t layers = goal->parameters - pare_outer_parameters(model, c->hidden);
    goal->parameters -= layers / c->layers * (c->layers - goal->layers);
    goal->bytes = bytes_with(model, goal->parameters);
}

uint64_t pare_target_budget(const pare_model *model, const pare_target *target, const pare_goal *goal) {
    if (!target->costs) return goal->parameters;
    return (uint64_t)(target->latency * (double)pare_width_cost(target->costs, model, model->config.widths));
}

static bool reaches(const pare_model *model, const pare_target *target, const pare_goal *goal) {
    if (target->costs)
        return pare_width_cost(target->costs, model, goal->widths) <= pare_target_budget(model, target, goal);
    return target->parameters ? goal->parameters <= target->parameters : goal->bytes <= target->bytes;
}

static pare_status cannot_reach(const pare_model *model, const pare_target *target, const pare_goal *goal) {
    if (target->costs)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--latency %g cannot be reached: with everything removable gone, a token still takes %.3f of "
                         "the dense model's time; ask for more, or widen --layers",
                         target->latency,
                         (double)pare_width_cost(target->costs, model, goal->widths) /
                             (double)pare_width_cost(target->costs, model, model->config.widths));
    if (target->bytes)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--bytes %llu cannot be reached: with everything removable gone, %llu bytes remain; ask for "
                         "more, or widen --layers",
                         (unsigned long long)target->bytes, (unsigned long long)goal->bytes);
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--params %llu cannot be reached: with everything removable in layers %u:%u gone, %llu parameters "
                     "remain; ask for more, or widen --layers",
                     (unsigned long long)target->parameters, target->ffn.begin, target->ffn.end,
                     (unsigned long long)goal->parameters);
}

/* The smallest ratio that reaches the total; what remains falls in steps as the ratio grows. */
static pare_status solve(const pare_model *model, const pare_target *target, pare_goal *goal) {
    goal_at(model, target, 0.0, goal);
    if (reaches(model, target, goal)) {
        if (target->bytes)
            return pare_fail(PARE_BAD_ARGUMENT, "--bytes %llu: the model has only %llu bytes of weights; ask for fewer",
                             (unsigned long long)target->bytes, (unsigned long long)goal->bytes);
        return pare_fail(PARE_BAD_ARGUMENT, "--params %llu: the model has only %llu parameters; ask for fewer",
                         (unsigned long long)target->parameters, (unsigned long long)goal->parameters);
    }
    double low = 0.0, high = 1.0;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        goal_at(model, target, middle, goal);
        if (reaches(model, target, goal))
            high = middle;
        else
            low = middle;
    }
    goal_at(model, target, high, goal);
    return reaches(model, target, goal) ? PARE_OK : cannot_reach(model, target, goal);
}

static pare_status left_without(const pare_model *model, const pare_target *target, const pare_goal *goal,
                                uint32_t layer, const char *what) {
    const pare_widths *before = &model->config.widths[layer];
    if (target->parameters)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--params %llu would leave layer %u without a single %s (it has %u key/value heads and %u FFN "
                         "channels); ask for more, or widen --layers",
                         (unsigned long long)target->parameters, layer, what, before->kv_heads, before->ffn);
    if (target->costs)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--latency %g would leave layer %u without a single %s; ask for more, or widen --layers",
                         target->latency, layer, what);
    if (target->bytes)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--bytes %llu would leave layer %u without a single %s (it has %u key/value heads and %u FFN "
                         "channels); ask for more, or widen --layers",
                         (unsigned long long)target->bytes, layer, what, before->kv_heads, before->ffn);
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--ratio %g would leave layer %u without a single %s (it has %u key/value heads and %u FFN "
                     "channels); ask for less",
                     ratio_of(target, goal->ratio, layer), layer, what, before->kv_heads, before->ffn);
}

static pare_status without_channels(const pare_model *model, const pare_target *target, const pare_goal *goal,
                                    uint32_t layer) {
    char asked[64];
    if (target->parameters)
        snprintf(asked, sizeof asked, "--params %llu", (unsigned long long)target->parameters);
    else if (target->bytes)
        snprintf(asked, sizeof asked, "--bytes %llu", (unsigned long long)target->bytes);
    else
        snprintf(asked, sizeof asked, "--ratio %g", ratio_of(target, goal->ratio, layer));
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s: %s would leave the experts of layer %u without a single channel (each has %u); ask for %s",
                     pare_checkpoint_directory(model->checkpoint), asked, layer, model->config.widths[layer].expert_ffn,
                     target->parameters || target->bytes ? "more" : "less");
}

static pare_status check_experts(const pare_model *model, const pare_goal *goal, uint32_t layer) {
    const pare_experts *e = &model->config.experts;
    uint32_t left = goal->widths[layer].experts;
    if (!model->config.widths[layer].experts) return PARE_OK;
    if (left >= e->chosen && !pare_experts_fit_groups(e, left))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s: %u of %u experts would be left in layer %u, too few for its %u groups (n_group) to have "
                         "as many each, and "
                         "for a token to find %u of them in %u groups (topk_group); ask for another ratio",
                         pare_checkpoint_directory(model->checkpoint), left, e->count, layer, e->groups, e->chosen,
                         e->groups_chosen);
    if (left >= e->chosen) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s: %u of %u experts would be left in layer %u, and every token reaches %u "
                     "(num_experts_per_tok); ask for less (--ratio %.6g at most)",
                     pare_checkpoint_directory(model->checkpoint), left, e->count, layer, e->chosen,
                     (double)(e->count - e->chosen) / (double)e->count);
}

static pare_status check_goal(const pare_model *model, const pare_target *target, const pare_goal *goal) {
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        const pare_widths *w = &goal->widths[layer], *before = &model->config.widths[layer];
        if (before->heads && (!w->heads || !w->kv_heads))
            return left_without(model, target, goal, layer, target->query_heads ? "query head" : "key/value head");
        if (before->expert_ffn && !w->expert_ffn) return without_channels(model, target, goal, layer);
        if (before->ffn && !w->ffn) return left_without(model, target, goal, layer, "FFN channel");
        PARE_TRY(check_experts(model, goal, layer));
    }
    if (!goal->hidden || !goal->layers)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio %g would leave the model without a single %s; ask for less",
                         goal->ratio, goal->hidden ? "layer" : "hidden channel");
    return PARE_OK;
}

/* A step on the way may be too small for any unit; the target itself may not. */
static pare_status check_removal(const pare_model *model, const pare_target *target, const pare_goal *goal) {
    if (goal->parameters < pare_parameters_with(model, model->config.widths, model->config.hidden)) return PARE_OK;
    if (target->ratios)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio: with these shares no layer loses anything; ask for more");
    const pare_config *c = &model->config;
    uint32_t heads = target->mode == PARE_MODE_CHANNEL && pare_config_ties_heads(c) ? pare_config_tied_heads(c) : 0;
    if (heads)
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "--ratio %g removes nothing here: %s has as many hidden channels as its heads have dimensions, "
            "so that %u of %u channels go with every %u of %u heads; ask for more",
            goal->ratio, c->family->class_name, heads * c->head_size, c->hidden, heads, c->widths[0].heads);
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--ratio %g removes nothing here: it is less than one unit, or all units stay (--keep-min, "
                     "--round-to); ask for more",
                     goal->ratio);
}

static pare_status check_range(const pare_model *model, pare_layer_range range, const char *option) {
    if (range.begin <= range.end && range.end <= model->config.layers) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s %u:%u: the model has layers 0:%u (the end is not included)", option,
                     range.begin, range.end, model->config.layers);
}

static pare_status check_target(const pare_model *model, const pare_target *target) {
    bool no_heads = target->attention.begin == target->attention.end, no_ffn = target->ffn.begin == target->ffn.end;
    PARE_TRY(check_range(model, target->attention, "--layers"));
    PARE_TRY(check_range(model, target->ffn, "--layers"));
    if (no_heads && no_ffn)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--layers %u:%u: no layer is left to prune; the model has layers 0:%u (the "
                         "end is not included)",
                         target->ffn.begin, target->ffn.end, model->config.layers);
    if (target->parameters || target->bytes || target->costs) return PARE_OK;
    for (uint32_t i = 0; target->ratios && i < model->config.layers; i++)
        if (!(target->ratios[i] >= 0.0 && target->ratios[i] < 1.0))
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--ratio: layer %u shall lose the share %g; give shares from 0 to 1, "
                             "1 excluded",
                             i, target->ratios[i]);
    if (!target->ratios && !(target->ratio > 0.0 && target->ratio < 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio %g: give a share of units between 0 and 1, both excluded",
                         target->ratio);
    return PARE_OK;
}

pare_status pare_goal_new(const pare_model *model, const pare_target *target, double share, pare_goal *out) {
    *out = (pare_goal){0};
    PARE_TRY(check_target(model, target));
    PARE_TRY(pare_alloc(&out->widths, model->config.layers, sizeof *out->widths, "widths"));
    pare_status status = PARE_OK;
    if (target->parameters || target->bytes || target->costs)
        status = solve(model, target, out);
    else
        goal_at(model, target, target->ratios ? 1.0 : target->ratio, out);
    if (status == PARE_OK) status = check_removal(model, target, out);
    if (status == PARE_OK && share < 1.0) goal_at(model, target, out->ratio * share, out);
    if (status == PARE_OK) status = check_goal(model, target, out);
    if (status != PARE_OK) pare_goal_free(out);
    return status;
}

void pare_goal_free(pare_goal *goal) {
    pare_free(goal->widths);
    *goal = (pare_goal){0};
}
