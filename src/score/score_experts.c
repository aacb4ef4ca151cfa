/* Scores of whole experts, from what calibration tokens make of them. */
#include "importance/expert_removal.h"
#include "score/score_internal.h"
#include "support/progress.h"

#include <math.h>

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const pare_scoring *s = context;
    return pare_progress_report(s->request->runtime, "weighing experts", done, total);
}

/* The mean over an expert's tokens; 0 where none reaches it. */
static double mean_output(const pare_expert_load *load, size_t at) {
    return load->tokens[at] > 0.0 ? load->outputs[at] / load->tokens[at] : 0.0;
}

static double tokens(const pare_expert_load *load, size_t at) {
    return load->tokens[at];
}

static double shares(const pare_expert_load *load, size_t at) {
    return load->shares[at];
}

static double felt(const pare_expert_load *load, size_t at) {
    return fabs(load->felt[at]);
}

static pare_status score(pare_scoring *s, double (*of)(const pare_expert_load *load, size_t at),
                         pare_score_result *out) {
    const pare_score_request *r = s->request;
    const pare_pass_shape *shape = &r->plan->shape;
    pare_source source = {.model = r->model, .backend = r->backend};
    pare_layer_batch batch = {.ids = r->ids, .sequences = shape->sequences, .step = report_block, .step_context = s};
    pare_pass *pass;
    PARE_TRY(pare_expert_load_new(r->model, &out->load));
    PARE_TRY(pare_pass_new(r->model, r->backend, shape, &pass));
    pare_status status = shape->gradients ? pare_expert_load_feel(pass, &source, &batch, &out->load, &out->loss)
                                          : pare_expert_load_measure(pass, &source, &batch, &out->load);
    pare_pass_free(pass);
    for (uint32_t layer = 0; layer < out->scores.layers && status == PARE_OK; layer++)
        for (uint32_t expert = 0; expert < r->model->config.widths[layer].experts; expert++)
            out->scores.expert[layer][expert] = of(&out->load, pare_expert_load_at(&out->load, layer, expert));
    return status;
}

pare_status pare_score_expert_outputs(pare_scoring *s, pare_score_result *out) {
    return score(s, mean_output, out);
}

pare_status pare_score_expert_tokens(pare_scoring *s, pare_score_result *out) {
    return score(s, tokens, out);
}

pare_status pare_score_expert_shares(pare_scoring *s, pare_score_result *out) {
    return score(s, shares, out);
}

pare_status pare_score_expert_gradient(pare_scoring *s, pare_score_result *out) {
    return score(s, felt, out);
}

static pare_status score_layer(void *context, const pare_expert_outputs *outputs) {
    pare_score_result *out = context;
    return pare_expert_removal(outputs, out->scores.expert[outputs->layer]);
}

pare_status pare_score_expert_errors(pare_scoring *s, pare_score_result *out) {
    const pare_score_request *r = s->request;
    const pare_pass_shape *shape = &r->plan->shape;
    pare_source source = {.model = r->model, .backend = r->backend};
    pare_layer_batch batch = {.ids = r->ids, .sequences = shape->sequences, .step = report_block, .step_context = s};
    pare_pass *pass;
    PARE_TRY(pare_expert_load_new(r->model, &out->load));
    PARE_TRY(pare_pass_new(r->model, r->backend, shape, &pass));
    pare_status status = pare_expert_outputs_see(pass, &source, &batch, r->plan->scratch, &out->load, score_layer, out);
    pare_pass_free(pass);
    return status;
}
