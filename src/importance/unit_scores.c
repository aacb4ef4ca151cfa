#include "importance/scores.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>

static pare_status alloc_layer(const pare_widths *w, uint32_t layer, pare_unit_scores *out) {
    PARE_TRY(pare_alloc(&out->heads[layer], w->kv_heads, sizeof(double), "scores"));
    PARE_TRY(pare_alloc(&out->query[layer], w->heads, sizeof(double), "scores"));
    PARE_TRY(pare_alloc(&out->expert[layer], w->experts, sizeof(double), "scores"));
    PARE_TRY(pare_alloc(&out->expert_ffn[layer], (size_t)w->experts * w->expert_ffn, sizeof(double), "scores"));
    return pare_alloc(&out->ffn[layer], w->ffn, sizeof(double), "scores");
}

pare_status pare_unit_scores_new(const pare_model *model, pare_unit_scores *out) {
    *out = (pare_unit_scores){.layers = model->config.layers};
    pare_status status = pare_alloc(&out->heads, out->layers, sizeof *out->heads, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->query, out->layers, sizeof *out->query, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, out->layers, sizeof *out->ffn, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->expert, out->layers, sizeof *out->expert, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->expert_ffn, out->layers, sizeof *out->expert_ffn, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->hidden, model->config.hidden, sizeof(double), "scores");
    if (status == PARE_OK) status = pare_alloc(&out->layer, out->layers, sizeof(double), "scores");
    for (uint32_t layer = 0; layer < out->layers && status == PARE_OK; layer++)
        status = alloc_layer(&model->config.widths[layer], layer, out);
    if (status != PARE_OK) pare_unit_scores_free(out);
    return status;
}

static void free_layers(double **list, uint32_t layers) {
    for (uint32_t layer = 0; list && layer < layers; layer++)
        pare_free(list[layer]);
    pare_free(list);
}

void pare_unit_scores_free(pare_unit_scores *scores) {
    free_layers(scores->heads, scores->layers);
    free_layers(scores->query, scores->layers);
    free_layers(scores->ffn, scores->layers);
    free_layers(scores->expert, scores->layers);
    free_layers(scores->expert_ffn, scores->layers);
    pare_free(scores->hidden);
    pare_free(scores->layer);
    *scores = (pare_unit_scores){0};
}

static void draw(uint64_t seed, uint64_t stream, double *scores, uint32_t count) {
    pare_random random = {.seed = seed, .stream = stream};
    for (uint32_t i = 0; i < count; i++)
        scores[i] = pare_random_uniform(&random);
}

void pare_unit_scores_random(const pare_model *model, uint64_t seed, pare_unit_scores *out) {
    uint64_t layers = out->layers;
    for (uint32_t layer = 0; layer < out->layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        draw(seed, 2 * (uint64_t)layer, out->heads[layer], w->kv_heads);
        draw(seed, 2 * (uint64_t)layer + 1, out->ffn[layer], w->ffn);
        draw(seed, 2 * layers + layer, out->query[layer], w->heads);
        draw(seed, 3 * layers + 2 + layer, out->expert[layer], w->experts);
        draw(seed, 4 * layers + 2 + layer, out->expert_ffn[layer], w->experts * w->expert_ffn);
    }
    draw(seed, 3 * layers, out->layer, out->layers);
    draw(seed, 3 * layers + 1, out->hidden, model->config.hidden);
}

static pare_status check_units(const double *scores, uint32_t count, uint32_t layer, const char *unit) {
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(scores[i]))
            return pare_fail(
                PARE_NUMERIC_ERROR,
                "the score of %s %u in layer %u is %f: the weights are not finite, or too large to compute with", unit,
                i, layer, scores[i]);
    return PARE_OK;
}

static pare_status check_expert_channels(const pare_unit_scores *scores, const pare_widths *w, uint32_t layer) {
    for (uint32_t expert = 0; expert < w->experts; expert++) {
        char unit[48];
        snprintf(unit, sizeof unit, "expert %u's channel", expert);
        PARE_TRY(check_units(pare_unit_scores_of_expert(scores, w, layer, expert), w->expert_ffn, layer, unit));
    }
    return PARE_OK;
}

pare_status pare_unit_scores_check(const pare_unit_scores *scores, const pare_model *model) {
    for (uint32_t layer = 0; layer < scores->layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        PARE_TRY(check_units(scores->heads[layer], w->kv_heads, layer, "key/value group"));
        PARE_TRY(check_units(scores->query[layer], w->heads, layer, "query head"));
        PARE_TRY(check_units(scores->ffn[layer], w->ffn, layer, "FFN channel"));
        PARE_TRY(check_units(scores->expert[layer], w->experts, layer, "expert"));
        PARE_TRY(check_expert_channels(scores, w, layer));
        PARE_TRY(check_units(&scores->layer[layer], 1, layer, "whole layer"));
    }
    for (uint32_t i = 0; i < model->config.hidden; i++)
        if (!isfinite(scores->hidden[i]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the score of hidden channel %u is %f: the weights are not finite, or too large to "
                             "compute with",
                             i, scores->hidden[i]);
    return PARE_OK;
}
