#include "calibrate/input_norms.h"
#include "support/memory.h"

enum { CHUNK = 1 << 16 }; /* floats in hand, or one row if that is longer */

static bool wants_all(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

/* rows: float [count, length]; squares of whole rows. */
static void add_rows(const float *rows, int64_t count, int64_t length, double *squares) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < length; j++)
            sum += (double)rows[i * length + j] * (double)rows[i * length + j];
        squares[i] += sum;
    }
}

/* The same down the columns. */
static void add_columns(const float *rows, int64_t count, int64_t length, double *squares) {
    enum { BLOCK = 64 };
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < length; first += BLOCK)
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = first; j < first + BLOCK && j < length; j++)
                squares[j] += (double)rows[i * length + j] * (double)rows[i * length + j];
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    pare_input_norms *norms = context;
    double *squares = norms->squares[layer][kind];
    int64_t rows = by_feature ? width : tokens, length = by_feature ? tokens : width;
    int64_t chunk = length && CHUNK > length ? CHUNK / length : 1;
    for (int64_t first = 0; first < rows; first += chunk) {
        int64_t count = rows - first < chunk ? rows - first : chunk;
        norms->backend->operations->from_operand(norms->backend, pare_operand_at(norms->backend, x, first * length),
                                                 count * length, norms->row);
        if (by_feature)
            add_rows(norms->row, count, length, squares + first);
        else
            add_columns(norms->row, count, length, squares);
    }
    if (layer == 0 && kind == PARE_INPUT_QKV) norms->tokens += (uint64_t)tokens;
    return PARE_OK;
}

static void widths_of(const pare_model *model, uint32_t layer, int64_t widths[PARE_INPUT_KINDS]) {
    const pare_config *config = &model->config;
    widths[PARE_INPUT_QKV] = widths[PARE_INPUT_GATE_UP] = config->hidden;
    widths[PARE_INPUT_O] = (int64_t)config->widths[layer].heads * config->head_size;
    widths[PARE_INPUT_DOWN] = config->widths[layer].ffn;
}

pare_status pare_input_norms_new(const pare_model *model, const pare_backend *backend, int64_t tokens,
                                 pare_input_norms *out) {
    int64_t longest = tokens > CHUNK ? tokens : CHUNK, widths[PARE_INPUT_KINDS];
    *out = (pare_input_norms){.backend = backend,
                              .layers = model->config.layers,
                              .observer = {.wants = wants_all, .see = see, .context = out}};
    pare_status status = pare_alloc(&out->squares, out->layers, sizeof *out->squares, "input norms");
    for (uint32_t layer = 0; layer < out->layers && status == PARE_OK; layer++) {
        widths_of(model, layer, widths);
        for (int kind = 0; kind < PARE_INPUT_KINDS && status == PARE_OK; kind++) {
            longest = widths[kind] > longest ? widths[kind] : longest;
            status = pare_alloc(&out->squares[layer][kind], (size_t)widths[kind], sizeof(double), "input norms");
        }
    }
    if (status == PARE_OK) status = pare_alloc(&out->row, (size_t)longest, sizeof(float), "input norms");
    if (status != PARE_OK) pare_input_norms_free(out);
    return status;
}

void pare_input_norms_free(pare_input_norms *norms) {
    for (uint32_t layer = 0; norms->squares && layer < norms->layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            pare_free(norms->squares[layer][kind]);
    pare_free(norms->squares);
    pare_free(norms->row);
    *norms = (pare_input_norms){0};
}
