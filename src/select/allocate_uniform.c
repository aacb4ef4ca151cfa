#include "model/config_write.h"
#include "select/ladder.h"

#include "support/memory.h"

#include <math.h>
#include <string.h>

/* Cost of taking `steps` steps of one part in every layer; infinite where a layer has fewer. */
static double cost_of(const pare_ladder *ladders, uint32_t layers, uint32_t steps) {
    double total = 0.0;
    for (uint32_t i = 0; i < layers; i++) {
        if (!ladders[i].cost || ladders[i].steps < steps) return steps ? INFINITY : 0.0;
        for (uint32_t s = 0; s < steps; s++)
            total += ladders[i].cost[s];
    }
    return total;
}

static uint64_t parameters_per_step(const pare_ladder *ladders, uint32_t layers) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < layers; i++)
        total += ladders[i].parameters;
    return total;
}

static void fill(uint32_t *list, uint32_t count, uint32_t value) {
    for (uint32_t i = 0; i < count; i++)
        list[i] = value;
}

pare_status pare_ladders_check_alike(const pare_model *model) {
    const pare_config *c = &model->config;
    for (uint32_t i = 1; i < c->layers; i++)
        if (memcmp(&c->widths[i], &c->widths[0], sizeof *c->widths) != 0)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "--select uniform: layer %u has other widths than layer 0; take --select local or global",
                             i);
    return PARE_OK;
}

/* For every number of head steps, the channels that the budget then leaves to remove; the cheapest pair wins. */
/* A class would load layers that have lost so many groups of heads. */
static bool fits(const pare_model *model, const pare_target *target, uint32_t steps) {
    pare_widths w = model->config.widths[0];
    if (!steps) return true;
    w.heads -= steps * (target->query_heads ? w.kv_heads : pare_widths_shared(&w));
    w.kv_heads -= target->query_heads ? 0 : steps;
    return pare_config_fits(&model->config, model->config.hidden, &w);
}

pare_status pare_allocate_uniform(const pare_model *model, const pare_ladders *ladders, const pare_target *target,
                                  uint64_t budget, pare_widths *widths) {
    uint32_t layers = ladders->layers, *heads, *ffn, best_heads = 0, best_ffn = 0;
    uint64_t per_head = parameters_per_step(ladders->heads, layers);
    uint64_t per_channel = parameters_per_step(ladders->ffn, layers);
    uint64_t now = pare_parameters_with(model, model->config.widths, model->config.hidden);
    uint64_t surplus = now > budget ? now - budget : 0;
    double best = INFINITY;
    PARE_TRY(pare_ladders_check_alike(model));
    for (uint32_t h = 0; h <= ladders->heads[0].steps && h * per_head <= surplus; h++) {
        if (!fits(model, target, h)) continue;
        uint64_t channels = per_channel ? (surplus - h * per_head) / per_channel : 0;
        if (channels > ladders->ffn[0].steps) continue;
        double cost = cost_of(ladders->heads, layers, h) + cost_of(ladders->ffn, layers, (uint32_t)channels);
        if (!(cost < best)) continue;
        best = cost;
        best_heads = h;
        best_ffn = (uint32_t)channels;
    }
    if (isinf(best))
        return pare_fail(PARE_BAD_ARGUMENT, "--select uniform: no pair of widths leaves %llu parameters; ask for more",
                         (unsigned long long)budget);
    PARE_TRY(pare_alloc(&heads, layers, sizeof *heads, "widths"));
    pare_status status = pare_alloc(&ffn, layers, sizeof *ffn, "widths");
    if (status == PARE_OK) {
        fill(heads, layers, best_heads);
        fill(ffn, layers, best_ffn);
        pare_ladders_widths(model, target, heads, ffn, widths);
        pare_free(ffn);
    }
    pare_free(heads);
    return status;
}
