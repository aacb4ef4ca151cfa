#include "evaluate/imatrix.h"
#include "calibrate/expert_norms.h"
#include "calibrate/input_moments.h"
#include "calibrate/input_norms.h"
#include "evaluate/group.h"
#include "model/gguf_write.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <string.h>

typedef struct measuring {
    const pare_evaluation *evaluation;
    pare_gguf_plan plan; /* for the names */
    pare_input_norms norms;
    pare_expert_norms experts;
    pare_input_moments head; /* of the head's inputs */
    pare_imatrix_row *rows;  /* [plan.count], by name */
    size_t row_count;
} measuring;

/* Beside the passes over the model. */
static uint64_t bytes_of(const pare_model *model) {
    enum { NAMES = 2 * 256 }; /* of the sums and their count, in memory and in the file */
    uint64_t image = 0, width;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
            width = (uint64_t)pare_input_width(model, layer, pare_input_of(role));
            image += width * sizeof(float) + NAMES;
        }
    image += pare_expert_norms_bytes(model) * (2 * sizeof(float)) / sizeof(double);
    width = model->config.head_width;
    return pare_input_norms_bytes(model) + pare_expert_norms_bytes(model) + width * (sizeof(double) + sizeof(float)) +
           2 * image;
}

pare_status pare_imatrix_plan(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                              const pare_windows *windows, pare_plan *plan) {
    pare_pass_shape shape;
    pare_pass_memory memory;
    uint64_t bytes = bytes_of(model), limit = pare_runtime_limit(runtime);
    PARE_TRY(pare_group_shape(model, backend, windows, false, 0, pare_limit_beside(limit, bytes), &shape));
    PARE_TRY(pare_pass_measure(model, backend, &shape, &memory));
    *plan = (pare_plan){.mapped = pare_model_bytes(model),
                        .imatrix = bytes + memory.weights + memory.activations,
                        .limit = limit,
                        .limit_origin = pare_runtime_limit_origin(runtime),
                        .sequences = windows->count,
                        .length = windows->length,
                        .micro_batch = (uint64_t)shape.micro_batch};
    return PARE_OK;
}

/* The head reads what the last norm makes. */
static pare_status see_head(void *context, const pare_evaluation_group *group, double *record) {
    measuring *m = context;
    (void)record;
    pare_inputs inputs = {.width = m->head.width};
    inputs.x = pare_pass_final(group->model->pass, &inputs.tokens);
    return pare_input_moments_add(m->evaluation->backend, &inputs, m->evaluation->windows->length, &m->head);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const pare_imatrix_row *)a)->name, ((const pare_imatrix_row *)b)->name);
}

/* In llama-imatrix's order. */
static pare_status list_rows(measuring *m) {
    PARE_TRY(pare_alloc(&m->rows, m->plan.count, sizeof *m->rows, "an importance matrix"));
    for (size_t i = 0; i < m->plan.count; i++) {
        const pare_gguf_item *item = &m->plan.items[i];
        if (!pare_gguf_plan_reads(&m->plan, i)) continue;
        const uint32_t layer = item->place.layer;
        pare_imatrix_row *row = &m->rows[m->row_count++];
        *row =
            (pare_imatrix_row){.name = item->name, .width = (int64_t)item->place.columns, .squares = m->head.squares};
        if (item->place.layered) row->squares = m->norms.squares[layer][pare_input_of(item->place.role)];
        if (!item->experts) continue;
        row->matrices = item->parts;
        row->squares = pare_expert_norms_of(&m->experts, layer, item->place.role == PARE_ROLE_DOWN);
        row->tokens = m->experts.tokens + (size_t)layer * item->parts;
    }
    qsort(m->rows, m->row_count, sizeof *m->rows, by_name);
    return PARE_OK;
}

static pare_status measure(measuring *m, pare_gguf_metadata *image) {
    const pare_model *model = m->evaluation->model;
    const pare_windows *windows = m->evaluation->windows;
    pare_evaluation observed = *m->evaluation;
    PARE_TRY(pare_input_norms_new(model, observed.backend, false, &m->norms));
    PARE_TRY(pare_expert_norms_new(model, observed.backend, &m->norms.observer, &m->experts));
    PARE_TRY(pare_input_moments_new(model->config.head_width, false, &m->head));
    observed.observer = &m->experts.observer;
    if (!observed.stage) observed.stage = "importance matrix";
    const pare_evaluation_view view = {.see = see_head, .context = m, .beside = bytes_of(model)};
    PARE_TRY(pare_evaluation_groups(&observed, NULL, &view));
    PARE_TRY(list_rows(m));
    return pare_imatrix_image(m->rows, m->row_count, observed.name, windows->count, windows->length, image);
}

pare_status pare_imatrix_measure(const pare_evaluation *evaluation, pare_gguf_metadata *image) {
    measuring m = {.evaluation = evaluation};
    const pare_gguf_form *form;
    *image = (pare_gguf_metadata){0};
    PARE_TRY(pare_gguf_form_find(NULL, &form));
    PARE_TRY(pare_gguf_plan_make(evaluation->model, form, NULL, &m.plan));
    pare_status status = measure(&m, image);
    pare_gguf_plan_free(&m.plan);
    pare_input_norms_free(&m.norms);
    pare_expert_norms_free(&m.experts);
    pare_input_moments_free(&m.head);
    pare_free(m.rows);
    return status;
}

pare_status pare_imatrix_write(const pare_evaluation *evaluation, pare_run *run, const char *path) {
    pare_gguf_metadata image;
    pare_peer_set_apart(true);
    pare_status status = pare_imatrix_measure(evaluation, &image);
    pare_peer_set_apart(false);
    PARE_TRY(status);
    status = pare_run_write_bytes(run, image.bytes, image.size, path);
    pare_gguf_metadata_free(&image);
    return status;
}
