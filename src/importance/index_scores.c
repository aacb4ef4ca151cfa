#include "importance/scores.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <string.h>

enum { PIECE = 1024, LANES = 16 };

static uint64_t index_count(const pare_model *model, uint32_t layer, int role) {
    const pare_widths *w = &model->config.widths[layer];
    return role >= PARE_ROLE_GATE ? w->ffn : (uint64_t)w->kv_heads * model->config.head_size;
}

pare_status pare_index_scores_new(const pare_model *model, pare_index_scores *out) {
    *out = (pare_index_scores){.layers = model->config.layers};
    pare_status status = pare_alloc(&out->by_role, out->layers, sizeof *out->by_role, "scores");
    for (uint32_t layer = 0; layer < out->layers && status == PARE_OK; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++)
            status = pare_alloc(&out->by_role[layer][role], index_count(model, layer, role), sizeof(double), "scores");
    if (status != PARE_OK) pare_index_scores_free(out);
    return status;
}

void pare_index_scores_free(pare_index_scores *scores) {
    for (uint32_t layer = 0; scores->by_role && layer < scores->layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            pare_free(scores->by_role[layer][role]);
    pare_free(scores->by_role);
    *scores = (pare_index_scores){0};
}

PARE_VECTORIZE static float sum(const float *restrict x, int64_t n) {
    float lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j];
    for (; i < n; i++)
        lanes[0] += x[i];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

PARE_VECTORIZE static void accumulate(double *restrict out, const float *restrict in, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] += (double)in[i];
}

PARE_VECTORIZE static void multiply(float *restrict out, const float *restrict in, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = in[i] * factor;
}

typedef struct job {
    const pare_tensor *tensor;
    const pare_salience *salience;
    const float *signal;
    float signal_scale;
    int64_t first, columns;
} job;

/* Salience of columns [column, column + n) of row `row` (counted from job->first). n <= PIECE. */
static void salience_piece(const job *j, int64_t row, int64_t column, int64_t n, float *out) {
    float weight[PIECE], signal[PIECE];
    size_t element = (size_t)((j->first + row) * j->columns + column);
    pare_to_float(weight, (const char *)j->tensor->data + element * pare_dtype_size(j->tensor->dtype), j->tensor->dtype,
                  (size_t)n);
    if (j->signal) multiply(signal, j->signal + row * j->columns + column, j->signal_scale, n);
    j->salience->elements(weight, j->signal ? signal : NULL, n, out);
}

static int64_t piece_at(int64_t columns, int64_t column) {
    return columns - column < PIECE ? columns - column : PIECE;
}

/* sums: double [rows] */
static void sum_rows(const job *j, int64_t rows, double *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        sums[row] = 0.0;
        for (int64_t column = 0; column < j->columns; column += PIECE) {
            float piece[PIECE];
            int64_t n = piece_at(j->columns, column);
            salience_piece(j, row, column, n, piece);
            sums[row] += (double)sum(piece, n);
        }
    }
}

/* sums: double [columns], added to, each over the rows in order */
static void sum_columns(const job *j, int64_t rows, double *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t column = 0; column < j->columns; column += PIECE)
        for (int64_t row = 0; row < rows; row++) {
            float piece[PIECE];
            int64_t n = piece_at(j->columns, column);
            salience_piece(j, row, column, n, piece);
            accumulate(sums + column, piece, n);
        }
}

/* Index of a query row or column r: [K, R, h] -> [K, h]. shared = 1 where nothing is shared. */
static int64_t aligned_index(int64_t r, int64_t head, int64_t shared) {
    return r / (head * shared) * head + r % head;
}

pare_status pare_index_scores_add(pare_index_scores *scores, const pare_model *model, const pare_salience *salience,
                                  size_t id, int64_t first, int64_t rows, const float *signal, float signal_scale) {
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) return PARE_OK;
    int64_t all, columns;
    pare_tensor_matrix(model->tensors[id], &all, &columns);
    job j = {.tensor = model->tensors[id],
             .salience = salience,
             .signal = signal,
             .signal_scale = signal_scale,
             .first = first,
             .columns = columns};
    bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN, query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    int64_t count = by_column ? columns : rows, offset = by_column ? 0 : first;
    int64_t shared = query ? pare_widths_shared(&model->config.widths[layer]) : 1;
    double *sums;
    PARE_TRY(pare_alloc(&sums, (size_t)count, sizeof *sums, "scores"));
    if (by_column)
        sum_columns(&j, rows, sums);
    else
        sum_rows(&j, rows, sums);
    double *out = scores->by_role[layer][role];
    for (int64_t i = 0; i < count; i++) {
        int64_t index =
            role >= PARE_ROLE_GATE ? offset + i : aligned_index(offset + i, model->config.head_size, shared);
        out[index] += sums[i];
    }
    pare_free(sums);
    return PARE_OK;
}
