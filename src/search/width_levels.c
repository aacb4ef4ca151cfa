/* Which widths a search may choose among. */
#include "model/config_write.h"
#include "search/unit_widths.h"
#include "select/ladder.h"
#include "select/size.h"

/* Steps of a sixteenth of the width, from where the half is; at first all of it and the least that must stay besides,
 * so that a half may go but for one unit, or whole. */
enum { PARTS = 16 };
static const int32_t steps[] = {7, 4, 2, 1, 0, -1, -2, -4, -7};

static void add(pare_level_part *part, uint32_t width) {
    uint32_t at = part->count;
    if (pare_level_of_width(part, width) < part->count || part->count == PARE_MOST_LEVELS) return;
    for (; at && part->width[at - 1] < width; at--)
        part->width[at] = part->width[at - 1];
    part->width[at] = width;
    part->count++;
}

/* A class would load a layer with so many KV groups. */
static bool fits(const pare_model *model, uint32_t layer, uint32_t groups) {
    pare_widths w = model->config.widths[layer];
    w.heads = groups * pare_widths_shared(&w);
    w.kv_heads = groups;
    return groups == model->config.widths[layer].kv_heads || pare_config_fits(&model->config, model->config.hidden, &w);
}

static void add_around(const pare_model *model, const pare_target *target, uint32_t layer, bool heads, uint32_t now,
                       uint32_t fineness, pare_level_part *part) {
    const pare_widths *all = &model->config.widths[layer];
    uint32_t most = heads ? all->kv_heads : all->ffn;
    uint32_t least =
        heads ? pare_target_least_heads(model, target, layer) : pare_target_least_channels(model, target, layer);
    double step = (double)most / (double)(PARTS * fineness);
    add(part, now);
    if (fineness == 1) add(part, most);
    if (fineness == 1 && (!heads || !least || fits(model, layer, least))) add(part, least);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int64_t reach = (int64_t)((double)steps[i] * (step < 1.0 ? 1.0 : step));
        int64_t width = (int64_t)now + reach;
        width = width < (int64_t)least ? (int64_t)least : width > (int64_t)most ? (int64_t)most : width;
        if (!heads) width = pare_target_round(target, (uint64_t)width, most);
        if (!heads || !width || fits(model, layer, (uint32_t)width)) add(part, (uint32_t)width);
    }
}

pare_status pare_width_levels(const pare_model *model, const pare_target *target, const pare_widths *widths,
                              uint32_t fineness, pare_unit_levels *levels) {
    PARE_TRY(pare_unit_levels_new(model, levels));
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        pare_level_part *part = levels->part[layer];
        if (pare_layer_in(target->attention, layer))
            add_around(model, target, layer, true, widths[layer].kv_heads, fineness, &part[PARE_STAGE_ATTENTION]);
        if (pare_layer_in(target->ffn, layer))
            add_around(model, target, layer, false, widths[layer].ffn, fineness, &part[PARE_STAGE_FFN]);
    }
    return PARE_OK;
}

/* The most channels whose time is no more than this; 0: none. */
static uint32_t channels_within(const pare_cost_curve *curve, uint64_t cost, uint32_t most) {
    uint32_t low = 0, high = most;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (pare_curve_cost(curve, middle) <= cost)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* The same by time. */
static uint32_t channels_in_time(const pare_model *model, const pare_target *target, uint64_t budget, uint32_t groups) {
    const pare_config *c = &model->config;
    uint32_t multiple = target->round_to ? target->round_to : 1;
    uint64_t all = pare_width_cost(target->costs, model, c->widths), layers = c->layers;
    uint64_t others = all - layers * (pare_curve_cost(&target->costs->attention, c->widths[0].kv_heads) +
                                      pare_curve_cost(&target->costs->ffn, c->widths[0].ffn));
    others += layers * pare_curve_cost(&target->costs->attention, groups);
    if (budget < others) return 0;
    uint32_t channels = channels_within(&target->costs->ffn, (budget - others) / layers, c->widths[0].ffn);
    channels = channels < c->widths[0].ffn ? channels / multiple * multiple : channels;
    return channels >= pare_target_least_channels(model, target, 0) ? channels : 0;
}

/* The channels that the budget leaves each layer beside so many KV groups; 0: too few. */
static uint32_t channels_beside(const pare_model *model, const pare_target *target, uint64_t budget, uint32_t groups) {
    const pare_config *c = &model->config;
    const pare_widths *w = &c->widths[0];
    if (target->costs) return channels_in_time(model, target, budget, groups);
    uint64_t channel = pare_channel_parameters(c, w) * c->layers;
    uint64_t others = pare_parameters_with(model, c->widths, c->hidden) - w->ffn * channel;
    uint64_t gone = (w->kv_heads - groups) * pare_group_parameters(c, w) * c->layers;
    uint64_t multiple = target->round_to ? target->round_to : 1;
    if (budget < others - gone) return 0;
    uint64_t channels = (budget - (others - gone)) / channel;
    channels = channels < w->ffn ? channels / multiple * multiple : w->ffn;
    return channels >= pare_target_least_channels(model, target, 0) ? (uint32_t)channels : 0;
}

pare_status pare_uniform_levels(const pare_model *model, const pare_target *target, const pare_widths *now,
                                uint64_t budget, pare_unit_levels *levels) {
    const pare_widths *w = &model->config.widths[0];
    bool heads = target->attention.begin < target->attention.end, ffn = target->ffn.begin < target->ffn.end;
    pare_level_part pairs[PARE_STAGES] = {0};
    uint32_t least = heads ? pare_target_least_heads(model, target, 0) : w->kv_heads;
    uint32_t stride = (w->kv_heads - least) / (PARE_MOST_LEVELS - 2) + 1;
    PARE_TRY(pare_ladders_check_alike(model));
    for (uint32_t groups = w->kv_heads; groups >= least && groups; groups--) {
        uint32_t channels = ffn ? channels_beside(model, target, budget, groups) : w->ffn;
        bool near = groups == now->kv_heads ||
                    (groups > now->kv_heads ? groups - now->kv_heads : now->kv_heads - groups) % stride == 0;
        if (!channels || !near || !fits(model, 0, groups)) continue;
        if (pairs[PARE_STAGE_FFN].count && pairs[PARE_STAGE_FFN].width[0] == channels) break;
        add(&pairs[PARE_STAGE_ATTENTION], groups);
        add(&pairs[PARE_STAGE_FFN], channels);
    }
    if (!pairs[PARE_STAGE_FFN].count)
        return target->costs
                   ? pare_fail(PARE_BAD_ARGUMENT,
                               "--select uniform: no pair of widths leaves --latency %g; ask for more", target->latency)
                   : pare_fail(PARE_BAD_ARGUMENT,
                               "--select uniform: no pair of widths leaves %llu parameters; ask for more",
                               (unsigned long long)budget);
    PARE_TRY(pare_unit_levels_new(model, levels));
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        if (heads) levels->part[layer][PARE_STAGE_ATTENTION] = pairs[PARE_STAGE_ATTENTION];
        if (ffn) levels->part[layer][PARE_STAGE_FFN] = pairs[PARE_STAGE_FFN];
    }
    return PARE_OK;
}

static uint32_t away(uint32_t a, uint32_t b) {
    return a < b ? b - a : a - b;
}

void pare_uniform_start(const pare_unit_levels *levels, pare_widths *widths) {
    const pare_level_part *heads = &levels->part[0][PARE_STAGE_ATTENTION], *ffn = &levels->part[0][PARE_STAGE_FFN];
    uint32_t best = 0, pairs = heads->count ? heads->count : ffn->count;
    for (uint32_t i = 1; i < heads->count; i++)
        if (away(heads->width[i], widths[0].kv_heads) < away(heads->width[best], widths[0].kv_heads)) best = i;
    for (uint32_t layer = 0; layer < levels->model->config.layers; layer++) {
        pare_widths *w = &widths[layer];
        *w = levels->model->config.widths[layer];
        uint32_t shared = pare_widths_shared(w);
        if (heads->count) w->kv_heads = heads->width[best];
        if (ffn->count) w->ffn = ffn->width[pairs - 1 - best];
        w->heads = w->kv_heads * shared;
    }
}

/* The widest FFN in range gives; false: none has more than it must keep. */
static bool take_channels(const pare_model *model, const pare_target *target, uint32_t multiple, pare_widths *widths) {
    pare_widths *widest = NULL;
    for (uint32_t layer = target->ffn.begin; layer < target->ffn.end; layer++) {
        bool spare = widths[layer].ffn >= pare_target_least_channels(model, target, layer) + multiple;
        if (spare && (!widest || widths[layer].ffn > widest->ffn)) widest = &widths[layer];
    }
    if (widest) widest->ffn -= multiple;
    return widest != NULL;
}

void pare_width_fit(const pare_model *model, const pare_target *target, uint64_t budget, pare_widths *widths) {
    const pare_config *c = &model->config;
    uint32_t multiple = target->round_to ? target->round_to : 1;
    while (pare_width_cost(target->costs, model, widths) > budget && take_channels(model, target, multiple, widths)) {
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (uint32_t layer = target->ffn.begin; layer < target->ffn.end; layer++) {
            uint32_t before = widths[layer].ffn, most = c->widths[layer].ffn;
            if (!before) continue; /* it shall not be there */
            widths[layer].ffn = before + multiple < most ? before + multiple : most;
            if (widths[layer].ffn > before && pare_width_cost(target->costs, model, widths) <= budget)
                grown = true;
            else
                widths[layer].ffn = before;
        }
    }
}
