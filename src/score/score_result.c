#include "score/score.h"
#include "support/memory.h"
#include "train/gates.h"

#include <string.h>

void pare_score_free(pare_score_result *result) {
    pare_unit_scores_free(&result->scores);
    pare_projection_scores_free(&result->projections);
    pare_expert_load_free(&result->load);
    pare_free(result->trace);
    pare_free(result->gates.steps);
    pare_gate_factors_free(result->factors, result->factor_count);
    *result = (pare_score_result){0};
}

static void copy_scores(const pare_model *model, const pare_unit_scores *from, pare_unit_scores *to) {
    for (uint32_t i = 0; i < from->layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        memcpy(to->heads[i], from->heads[i], w->kv_heads * sizeof(double));
        memcpy(to->query[i], from->query[i], w->heads * sizeof(double));
        memcpy(to->ffn[i], from->ffn[i], w->ffn * sizeof(double));
        memcpy(to->expert[i], from->expert[i], w->experts * sizeof(double));
        memcpy(to->expert_ffn[i], from->expert_ffn[i], (size_t)w->experts * w->expert_ffn * sizeof(double));
    }
    memcpy(to->hidden, from->hidden, model->config.hidden * sizeof(double));
    memcpy(to->layer, from->layer, from->layers * sizeof(double));
}

pare_status pare_score_copy(const pare_model *model, const pare_score_result *from, pare_score_result *out) {
    *out = (pare_score_result){.loss = from->loss, .steps = from->steps};
    PARE_TRY(pare_unit_scores_new(model, &out->scores));
    copy_scores(model, &from->scores, &out->scores);
    pare_status status = from->load.layers ? pare_expert_load_copy(model, &from->load, &out->load) : PARE_OK;
    if (status == PARE_OK && !from->trace) return PARE_OK;
    if (status == PARE_OK) status = pare_alloc(&out->trace, (size_t)from->steps, sizeof *out->trace, "trace");
    if (status == PARE_OK)
        memcpy(out->trace, from->trace, (size_t)from->steps * sizeof *out->trace);
    else
        pare_score_free(out);
    return status;
}
