#include "select/ladder.h"
#include "select/size.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <stdlib.h>

static uint32_t most_steps(uint32_t units, uint32_t least) {
    return units > least ? units - least : 0;
}

/* Step s removes the s-th lowest unit of each of `groups` stretches of `units` scores, of which `least` stay. */
static pare_status build(const double *scores, uint32_t groups, uint32_t units, uint32_t least, uint64_t parameters,
                         pare_ladder *out) {
    double *sorted;
    *out = (pare_ladder){.steps = most_steps(units, least), .parameters = parameters};
    PARE_TRY(pare_alloc(&sorted, units, sizeof *sorted, "ranking"));
    pare_status status = pare_alloc(&out->cost, units, sizeof *out->cost, "ladder");
    for (uint32_t group = 0; group < groups && status == PARE_OK; group++) {
        for (uint32_t i = 0; i < units; i++)
            sorted[i] = scores[(size_t)group * units + i];
        qsort(sorted, units, sizeof *sorted, pare_ascending_double);
        for (uint32_t i = 0; i < out->steps; i++)
            out->cost[i] += sorted[i];
    }
    pare_free(sorted);
    return status;
}

static pare_status build_heads(const pare_model *model, const pare_unit_scores *scores, uint32_t layer,
                               const pare_target *target, pare_ladder *out) {
    const pare_config *c = &model->config;
    const pare_widths *w = &c->widths[layer];
    uint32_t shared = pare_widths_shared(w);
    uint32_t least = pare_target_least_heads(model, target, layer);
    if (target->query_heads)
        return build(scores->query[layer], w->kv_heads, shared, least, pare_query_parameters(c, w), out);
    return build(scores->heads[layer], 1, w->kv_heads, least, pare_group_parameters(c, w), out);
}

pare_status pare_ladders_new(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                             pare_ladders *out) {
    const pare_config *c = &model->config;
    *out = (pare_ladders){.layers = c->layers};
    pare_status status = pare_alloc(&out->heads, c->layers, sizeof *out->heads, "ladders");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, c->layers, sizeof *out->ffn, "ladders");
    for (uint32_t i = 0; i < c->layers && status == PARE_OK; i++) {
        if (pare_layer_in(target->attention, i)) status = build_heads(model, scores, i, target, &out->heads[i]);
        if (status == PARE_OK && pare_layer_in(target->ffn, i))
            status = build(scores->ffn[i], 1, c->widths[i].ffn, pare_target_least_channels(model, target, i),
                           pare_channel_parameters(c, &c->widths[i]), &out->ffn[i]);
    }
    if (status != PARE_OK) pare_ladders_free(out);
    return status;
}

static pare_status from_curve(const double *curve, uint32_t units, uint32_t least, uint64_t parameters,
                              pare_ladder *out) {
    double before = 0.0, rise = 0.0;
    *out = (pare_ladder){.steps = most_steps(units, least), .parameters = parameters};
    PARE_TRY(pare_alloc(&out->cost, units, sizeof *out->cost, "ladder"));
    for (uint32_t i = 0; i < out->steps; i++) {
        rise = fmax(rise, curve[i] - before);
        out->cost[i] = rise;
        before = curve[i];
    }
    return PARE_OK;
}

pare_status pare_ladders_from_curves(const pare_model *model, double *const (*curves)[2], const pare_target *target,
                                     pare_ladders *out) {
    const pare_config *c = &model->config;
    *out = (pare_ladders){.layers = c->layers};
    pare_status status = pare_alloc(&out->heads, c->layers, sizeof *out->heads, "ladders");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, c->layers, sizeof *out->ffn, "ladders");
    for (uint32_t i = 0; i < c->layers && status == PARE_OK; i++) {
        const pare_widths *w = &c->widths[i];
        uint64_t group = pare_group_parameters(c, w);
        if (pare_layer_in(target->attention, i))
            status =
                from_curve(curves[i][0], w->kv_heads, pare_target_least_heads(model, target, i), group, &out->heads[i]);
        if (status == PARE_OK && pare_layer_in(target->ffn, i))
            status = from_curve(curves[i][1], w->ffn, pare_target_least_channels(model, target, i),
                                pare_channel_parameters(c, w), &out->ffn[i]);
    }
    if (status != PARE_OK) pare_ladders_free(out);
    return status;
}

void pare_ladders_free(pare_ladders *ladders) {
    for (uint32_t i = 0; i < ladders->layers; i++) {
        if (ladders->heads) pare_free(ladders->heads[i].cost);
        if (ladders->ffn) pare_free(ladders->ffn[i].cost);
    }
    pare_free(ladders->heads);
    pare_free(ladders->ffn);
    *ladders = (pare_ladders){0};
}

void pare_ladders_widths(const pare_model *model, const pare_target *target, const uint32_t *heads, const uint32_t *ffn,
                         pare_widths *widths) {
    for (uint32_t i = 0; i < model->config.layers; i++) {
        pare_widths *w = &widths[i];
        *w = model->config.widths[i];
        uint32_t shared = pare_widths_shared(w);
        if (target->query_heads) {
            w->heads = w->kv_heads * (shared - heads[i]);
        } else {
            w->kv_heads -= heads[i];
            w->heads = w->kv_heads * shared;
        }
        w->ffn -= ffn[i];
    }
}
