#include "calibrate/output_fisher.h"
#include "calibrate/shrinkage.h"
#include "support/memory.h"

static const pare_role role_of[PARE_OUTPUT_STAGES] = {PARE_ROLE_O, PARE_ROLE_DOWN};

uint64_t pare_output_fisher_bytes(const pare_model *model) {
    uint64_t d = model->config.hidden;
    return (uint64_t)model->config.layers * PARE_OUTPUT_STAGES * d * d * sizeof(float);
}

/* Takes the matrices over, as far as they are to be believed. */
static void take(pare_linear_fisher *linear, int64_t sequences, pare_output_fisher *out) {
    for (uint32_t i = 0; i < out->layers; i++)
        for (int stage = 0; stage < PARE_OUTPUT_STAGES; stage++) {
            size_t id = pare_tensor_id(i, role_of[stage]);
            out->metric[i][stage] = linear->full[id];
            if (!linear->full[id]) continue; /* the layer has no such matrix: experts stand in its place */
            out->shrunk[i][stage] = pare_metric_shrink(linear->full[id], out->hidden, sequences, linear->spread[id]);
        }
    out->loss = linear->loss;
    out->memory = linear->memory;
    linear->memory = (pare_scratch){0};
    pare_linear_fisher_free(linear);
}

/* *wanted: [tensor_count] what choice points at; freed by the caller. */
static pare_status choose(const pare_model *model, bool **wanted, pare_fisher_choice *choice) {
    PARE_TRY(pare_alloc(wanted, model->tensor_count, sizeof **wanted, "output metrics"));
    for (uint32_t i = 0; i < model->config.layers; i++)
        for (int stage = 0; stage < PARE_OUTPUT_STAGES; stage++)
            (*wanted)[pare_tensor_id(i, role_of[stage])] = true;
    *choice = (pare_fisher_choice){.wanted = *wanted, .widest = model->config.hidden, .spread = true};
    return PARE_OK;
}

pare_status pare_output_fisher_group(const pare_fisher_request *request, int64_t *group, pare_pass_memory *memory) {
    bool *wanted;
    pare_fisher_choice choice;
    PARE_TRY(choose(request->source->model, &wanted, &choice));
    pare_status status = pare_linear_fisher_group(request, &choice, group, memory);
    pare_free(wanted);
    return status;
}

pare_status pare_output_fisher_work(const pare_fisher_request *request, pare_work *out) {
    bool *wanted;
    pare_fisher_choice choice;
    PARE_TRY(choose(request->source->model, &wanted, &choice));
    *out = pare_linear_fisher_work(request, &choice);
    pare_free(wanted);
    return PARE_OK;
}

pare_status pare_output_fisher_run(const pare_fisher_request *request, pare_output_fisher *out) {
    const pare_model *model = request->source->model;
    pare_linear_fisher linear;
    pare_fisher_choice choice;
    bool *wanted;
    *out = (pare_output_fisher){.layers = model->config.layers, .hidden = model->config.hidden};
    PARE_TRY(choose(model, &wanted, &choice));
    pare_status status = pare_alloc(&out->metric, out->layers, sizeof *out->metric, "output metrics");
    if (status == PARE_OK) status = pare_alloc(&out->shrunk, out->layers, sizeof *out->shrunk, "output metrics");
    if (status == PARE_OK) status = pare_linear_fisher_run(request, &choice, &linear);
    pare_free(wanted);
    if (status == PARE_OK)
        take(&linear, request->sequences, out);
    else
        pare_output_fisher_free(out);
    return status;
}

void pare_output_fisher_free(pare_output_fisher *fisher) {
    pare_free(fisher->metric);
    pare_free(fisher->shrunk);
    pare_scratch_close(&fisher->memory);
    *fisher = (pare_output_fisher){0};
}
