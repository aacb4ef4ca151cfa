#include "importance/scores.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>

pare_status pare_unit_scores_new(const pare_model *model, pare_unit_scores *out) {
    *out = (pare_unit_scores){.layers = model->config.layers};
    pare_status status = pare_alloc(&out->heads, out->layers, sizeof *out->heads, "scores");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, out->layers, sizeof *out->ffn, "scores");
    for (uint32_t layer = 0; layer < out->layers && status == PARE_OK; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        status = pare_alloc(&out->heads[layer], w->kv_heads, sizeof(double), "scores");
        if (status == PARE_OK) status = pare_alloc(&out->ffn[layer], w->ffn, sizeof(double), "scores");
    }
    if (status != PARE_OK) pare_unit_scores_free(out);
    return status;
}

void pare_unit_scores_free(pare_unit_scores *scores) {
    for (uint32_t layer = 0; layer < scores->layers; layer++) {
        if (scores->heads) pare_free(scores->heads[layer]);
        if (scores->ffn) pare_free(scores->ffn[layer]);
    }
    pare_free(scores->heads);
    pare_free(scores->ffn);
    *scores = (pare_unit_scores){0};
}

/* One number from the coupled tensors [begin, end) at an index. */
static double reduce_tensors(double *const by_role[PARE_MATRIX_ROLES], int begin, int end, uint64_t index,
                             pare_reduction reduction) {
    double total = 0.0;
    for (int role = begin; role < end; role++)
        total += by_role[role][index];
    return reduction == PARE_REDUCE_MEAN ? total / (double)(end - begin) : total;
}

void pare_unit_scores_reduce(const pare_index_scores *indices, const pare_model *model, pare_reduction reduction,
                             pare_unit_scores *out) {
    uint32_t head = model->config.head_size;
    for (uint32_t layer = 0; layer < out->layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        double *const *by_role = indices->by_role[layer];
        for (uint64_t i = 0; i < (uint64_t)w->kv_heads * head; i++)
            out->heads[layer][i / head] += reduce_tensors(by_role, PARE_ROLE_Q, PARE_ROLE_GATE, i, reduction);
        for (uint64_t i = 0; i < w->ffn; i++)
            out->ffn[layer][i] = reduce_tensors(by_role, PARE_ROLE_GATE, PARE_MATRIX_ROLES, i, reduction);
    }
}

void pare_unit_scores_random(const pare_model *model, uint64_t seed, pare_unit_scores *out) {
    for (uint32_t layer = 0; layer < out->layers; layer++) {
        pare_random heads = {.seed = seed, .stream = 2 * (uint64_t)layer};
        pare_random ffn = {.seed = seed, .stream = 2 * (uint64_t)layer + 1};
        for (uint32_t i = 0; i < model->config.widths[layer].kv_heads; i++)
            out->heads[layer][i] = pare_random_uniform(&heads);
        for (uint32_t i = 0; i < model->config.widths[layer].ffn; i++)
            out->ffn[layer][i] = pare_random_uniform(&ffn);
    }
}

static pare_status check_units(const double *scores, uint32_t count, uint32_t layer, const char *unit) {
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(scores[i]))
            return pare_fail(
                PARE_NUMERIC_ERROR,
                "the score of %s %u in layer %u is %f: the weights hold NaN or infinity; repair the checkpoint", unit,
                i, layer, scores[i]);
    return PARE_OK;
}

pare_status pare_unit_scores_check(const pare_unit_scores *scores, const pare_model *model) {
    for (uint32_t layer = 0; layer < scores->layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        PARE_TRY(check_units(scores->heads[layer], w->kv_heads, layer, "key/value group"));
        PARE_TRY(check_units(scores->ffn[layer], w->ffn, layer, "FFN channel"));
    }
    return PARE_OK;
}
