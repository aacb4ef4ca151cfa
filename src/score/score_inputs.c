#include "calibrate/input_norms.h"
#include "model/expert_tensors.h"
#include "score/score_internal.h"
#include "support/memory.h"

#include <math.h>

/* [columns] of a matrix's inputs; a bias is the weight of one that is 1 at every token. */
static void copy_norms(const pare_input_norms *norms, uint32_t layer, pare_role role, int64_t columns, float *out) {
    bool bias = pare_role_is_bias(role);
    pare_input_kind kind = pare_input_of(pare_roles[role].of);
    double tokens = (double)norms->tokens;
    for (int64_t i = 0; i < columns; i++) {
        double squares = bias ? tokens : norms->squares[layer][kind][i];
        double sum = !norms->sums ? 0.0 : bias ? tokens : norms->sums[layer][kind][i];
        out[i] = (float)sqrt(fmax(0.0, squares - sum * sum / tokens));
    }
}

/* An expert's, over the tokens that reach it. */
static void copy_expert_norms(const pare_input_norms *norms, const pare_expert_place *place, int64_t columns,
                              float *out) {
    const double *squares = norms->expert_squares[place->layer] + place->expert * (norms->hidden + norms->expert_ffn);
    if (place->part == PARE_EXPERT_DOWN) squares += norms->hidden;
    for (int64_t i = 0; i < columns; i++)
        out[i] = (float)sqrt(squares[i]);
}

static pare_status score_tensor(pare_scoring *s, const pare_input_norms *norms, size_t id) {
    const pare_model *model = s->request->model;
    uint32_t layer;
    pare_role role;
    int64_t rows, columns;
    float *inputs;
    pare_expert_place place;
    bool expert = pare_tensor_id_split_expert(model, id, &place);
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    PARE_TRY(pare_alloc(&inputs, (size_t)columns, sizeof *inputs, "input norms"));
    if (expert)
        copy_expert_norms(norms, &place, columns, inputs);
    else if (pare_tensor_id_split(model, id, &layer, &role))
        copy_norms(norms, layer, role, columns, inputs);
    pare_row_signals signals = {.inputs = inputs};
    pare_status status = pare_scoring_add(s, id, 0, rows, &signals);
    pare_free(inputs);
    return status;
}

static pare_status score_tensors(pare_scoring *s, const pare_input_norms *norms) {
    const pare_score_request *r = s->request;
    for (size_t id = 0; id < r->model->tensor_count; id++)
        if (r->plan->scored[id]) PARE_TRY(score_tensor(s, norms, id));
    return PARE_OK;
}

static bool scores_experts(const pare_score_request *r) {
    const pare_config *config = &r->model->config;
    for (size_t id = pare_tensor_id_first_expert(config); id < r->model->tensor_count; id++)
        if (r->plan->scored[id]) return true;
    return false;
}

/* One forward that counts, unless that was done, then every matrix with the norms of its inputs. */
pare_status pare_score_inputs(pare_scoring *s, pare_score_result *out) {
    (void)out;
    const pare_score_request *r = s->request;
    pare_pass *pass = NULL;
    pare_input_norms norms;
    pare_source source = {.model = r->model, .backend = r->backend};
    double unused;
    if (r->norms) return score_tensors(s, r->norms);
    s->passes_total = 1;
    PARE_TRY(pare_scoring_take_up(s, &unused));
    if (s->passes_done) return PARE_OK;
    PARE_TRY(pare_input_norms_new(r->model, r->backend, r->recipe->salience->needs & PARE_NEEDS_CENTERED, &norms));
    pare_status status = scores_experts(r) ? pare_input_norms_see_experts(r->model, &norms) : PARE_OK;
    if (status == PARE_OK) status = pare_scoring_pass(s, &pass);
    if (status == PARE_OK) status = pare_input_norms_measure(pass, &source, r->ids, &norms);
    pare_pass_free(pass);
    if (status == PARE_OK) status = score_tensors(s, &norms);
    pare_input_norms_free(&norms);
    return status == PARE_OK ? pare_scoring_keep(s, 1, 0.0) : status;
}
