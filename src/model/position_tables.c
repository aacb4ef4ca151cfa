#include "model/position_tables.h"
#include "support/dtype.h"
#include "support/memory.h"

#include <math.h>

static bool is_used(const pare_config *config, int rotation) {
    for (uint32_t layer = 0; layer < config->layers; layer++)
        if (config->plan[layer].rotation == rotation) return true;
    return false;
}

static uint32_t most_heads(const pare_config *config) {
    uint32_t most = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        if (config->widths[layer].heads > most) most = config->widths[layer].heads;
    return most;
}

static bool scales_queries(const pare_config *config, int64_t positions) {
    double step = config->architecture.query_step;
    return step > 0.0 && (double)positions + config->architecture.query_first > step;
}

static pare_status query_scale_new(const pare_architecture *a, int64_t positions, float **out) {
    PARE_TRY(pare_alloc_uninitialized(out, (size_t)positions, sizeof **out, "factors of queries"));
    for (int64_t p = 0; p < positions; p++)
        (*out)[p] = (float)(1.0 + a->query_growth * log(1.0 + floor(((double)p + a->query_first) / a->query_step)));
    return PARE_OK;
}

uint64_t pare_position_tables_bytes(const pare_config *config, int64_t positions) {
    uint64_t total = config->architecture.positions == PARE_POSITIONS_ALIBI ? most_heads(config) * sizeof(float) : 0;
    for (int i = 0; i < PARE_ROPES; i++)
        if (is_used(config, i))
            total += (uint64_t)positions * config->rope[i].rotated * sizeof(float) *
                     (pare_rope_is_beyond(&config->rope[i], positions) ? 2 : 1);
    return total + (scales_queries(config, positions) ? (uint64_t)positions * sizeof(float) : 0);
}

/* Press et al. 2022: a geometric row of 2^(-8/n). Where n is no power of two, BLOOM and Falcon take the next lower
 * one's and every other one of the next higher one's; MPT the next higher one's, those at odd places first. */
static void fill_slopes(pare_slopes rule, uint32_t heads, float *slopes) {
    uint32_t lower = 1;
    while (lower * 2 <= heads)
        lower *= 2;
    uint32_t higher = lower == heads ? lower : lower * 2;
    for (uint32_t i = 0; i < heads; i++) {
        uint32_t count = higher, place = i < higher / 2 ? 2 * i + 2 : 2 * (i - higher / 2) + 1;
        if (higher == lower) place = i + 1;
        if (rule != PARE_SLOPES_MPT) {
            count = i < lower ? lower : higher;
            place = i < lower ? i + 1 : 2 * (i - lower) + 1;
        }
        slopes[i] = (float)pow(2.0, -8.0 * place / count);
        if (rule == PARE_SLOPES_FALCON) slopes[i] = pare_bf16_to_float(pare_float_to_bf16(slopes[i]));
    }
}

pare_status pare_position_tables_new(const pare_config *config, int64_t positions, pare_position_tables *out) {
    *out = (pare_position_tables){0};
    pare_status status = PARE_OK;
    for (int i = 0; i < PARE_ROPES && status == PARE_OK; i++) {
        const pare_rope_config *rope = &config->rope[i];
        if (!is_used(config, i)) continue;
        status = pare_rotation_new(rope, positions, false, &out->rotation[i]);
        if (status == PARE_OK && pare_rope_is_beyond(rope, positions))
            status = pare_rotation_new(rope, positions, true, &out->beyond[i]);
    }
    if (status == PARE_OK && config->architecture.positions == PARE_POSITIONS_ALIBI) {
        uint32_t heads = most_heads(config);
        status = pare_alloc_uninitialized(&out->slopes, heads, sizeof *out->slopes, "slopes of ALiBi");
        if (status == PARE_OK) fill_slopes(config->architecture.slopes, heads, out->slopes);
    }
    if (status == PARE_OK && scales_queries(config, positions))
        status = query_scale_new(&config->architecture, positions, &out->query_scale);
    if (status != PARE_OK) pare_position_tables_free(out);
    return status;
}

void pare_position_tables_free(pare_position_tables *tables) {
    for (int i = 0; i < PARE_ROPES; i++) {
        pare_free(tables->rotation[i]);
        pare_free(tables->beyond[i]);
    }
    pare_free(tables->query_scale);
    pare_free(tables->slopes);
    *tables = (pare_position_tables){0};
}
