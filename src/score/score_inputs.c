#include "calibrate/input_norms.h"
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

static pare_status score_tensor(pare_scoring *s, const pare_input_norms *norms, size_t id) {
    const pare_model *model = s->request->model;
    uint32_t layer;
    pare_role role;
    int64_t rows, columns;
    float *inputs;
    pare_tensor_id_split(model, id, &layer, &role);
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    PARE_TRY(pare_alloc(&inputs, (size_t)columns, sizeof *inputs, "input norms"));
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
    pare_status status = pare_scoring_pass(s, &pass);
    if (status == PARE_OK) {
        pare_pass_observe(pass, &norms.observer);
        status = pare_pass_forward(pass, &source, r->ids, r->plan->shape.sequences);
    }
    pare_pass_free(pass);
    if (status == PARE_OK) status = score_tensors(s, &norms);
    pare_input_norms_free(&norms);
    return status == PARE_OK ? pare_scoring_keep(s, 1, 0.0) : status;
}
