#include "importance/scores.h"
#include "support/memory.h"
#include "support/vectorize.h"

enum { PIECE = 1024, LANES = 16 };

static bool is_cut_by_column(const pare_index_scores *scores, pare_role role) {
    bool writes = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
    return scores->axis == PARE_AXIS_WIDTHS ? writes : !writes;
}

/* Indices that tensor `id` is scored at; 0: it is not cut along this axis. */
static uint64_t index_count(const pare_index_scores *scores, size_t id) {
    const pare_config *c = &scores->model->config;
    uint32_t layer;
    pare_role role;
    bool inside = pare_tensor_id_split(scores->model, id, &layer, &role);
    if (scores->axis == PARE_AXIS_HIDDEN) return c->hidden;
    if (!inside || role >= PARE_MATRIX_ROLES) return 0;
    const pare_widths *w = &c->widths[layer];
    if (role >= PARE_ROLE_GATE) return w->ffn;
    return (uint64_t)c->head_size * (role == PARE_ROLE_Q || role == PARE_ROLE_O ? w->heads : w->kv_heads);
}

pare_status pare_index_scores_new(const pare_model *model, const pare_salience *salience, pare_score_axis axis,
                                  pare_index_scores *out) {
    *out = (pare_index_scores){.model = model, .salience = salience, .axis = axis, .count = model->tensor_count};
    pare_status status = pare_alloc(&out->by_tensor, model->tensor_count, sizeof *out->by_tensor, "scores");
    for (size_t id = 0; id < model->tensor_count && status == PARE_OK; id++)
        if (index_count(out, id))
            status = pare_alloc(&out->by_tensor[id], index_count(out, id), sizeof(double), "scores");
    if (status != PARE_OK) pare_index_scores_free(out);
    return status;
}

void pare_index_scores_free(pare_index_scores *scores) {
    for (size_t id = 0; scores->by_tensor && id < scores->count; id++)
        pare_free(scores->by_tensor[id]);
    pare_free(scores->by_tensor);
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
    const pare_row_signals *signals;
    int64_t first, columns;
} job;

/* Salience of columns [column, column + n) of row `row` (counted from job->first). n <= PIECE. */
static void salience_piece(const job *j, int64_t row, int64_t column, int64_t n, float *out) {
    float weight[PIECE], scaled[PIECE];
    const pare_row_signals *s = j->signals;
    size_t element = (size_t)((j->first + row) * j->columns + column);
    int64_t at = row * j->columns + column;
    pare_element_signals of_piece = {.gradient = s->gradient ? s->gradient + at : NULL,
                                     .squares = s->squares ? s->squares + at : NULL,
                                     .inputs = s->inputs ? s->inputs + column : NULL};
    if (s->gradient && s->gradient_scale != 0.0f) {
        multiply(scaled, of_piece.gradient, s->gradient_scale, n);
        of_piece.gradient = scaled;
    }
    pare_to_float(weight, (const char *)j->tensor->data + element * pare_dtype_size(j->tensor->dtype), j->tensor->dtype,
                  (size_t)n);
    j->salience->elements(weight, &of_piece, n, out);
}

static int64_t piece_at(int64_t columns, int64_t column) {
    return columns - column < PIECE ? columns - column : PIECE;
}

/* sums: double [rows], added to */
static void sum_rows(const job *j, int64_t rows, double *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < j->columns; column += PIECE) {
            float piece[PIECE];
            int64_t n = piece_at(j->columns, column);
            salience_piece(j, row, column, n, piece);
            sums[row] += (double)sum(piece, n);
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

pare_status pare_index_scores_add(pare_index_scores *scores, size_t id, int64_t first, int64_t rows,
                                  const pare_row_signals *signals) {
    static const pare_row_signals none;
    uint32_t layer;
    pare_role role = PARE_LAYER_ROLES;
    double *sums = scores->by_tensor[id];
    if (!sums) return PARE_OK;
    pare_tensor_id_split(scores->model, id, &layer, &role);
    int64_t all, columns;
    pare_tensor_matrix(scores->model->tensors[id], &all, &columns);
    job j = {.tensor = scores->model->tensors[id],
             .salience = scores->salience,
             .signals = signals ? signals : &none,
             .first = first,
             .columns = columns};
    if (is_cut_by_column(scores, role))
        sum_columns(&j, rows, sums);
    else
        sum_rows(&j, rows, sums + first);
    return PARE_OK;
}
