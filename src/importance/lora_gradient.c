#include "importance/lora_gradient.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/vectorize.h"

#include <math.h>

enum { ROWS = 128, LANES = 64, PIECE = 256 };

/* Some rows of a matrix. */
typedef struct room {
    int64_t columns, rank;
    float *weight;   /* [ROWS, columns] W + s B A */
    float *gradient; /* [ROWS, columns] G */
    float *left;     /* [ROWS, 2 rank] dB, B */
    float *right;    /* [2 rank, columns] A - dA, dA */
} room;

static void free_room(room *r) {
    pare_free(r->weight);
    pare_free(r->gradient);
    pare_free(r->left);
    pare_free(r->right);
}

static pare_status new_room(int64_t columns, int64_t rank, room *r) {
    static const char what[] = "scores from low-rank gradients";
    size_t n = (size_t)columns, k = (size_t)(2 * rank);
    *r = (room){.columns = columns, .rank = rank};
    pare_status status = pare_alloc_uninitialized(&r->weight, n, ROWS * sizeof *r->weight, what);
    if (status == PARE_OK) status = pare_alloc_uninitialized(&r->gradient, n, ROWS * sizeof *r->gradient, what);
    if (status == PARE_OK) status = pare_alloc_uninitialized(&r->left, k, ROWS * sizeof *r->left, what);
    if (status == PARE_OK) status = pare_alloc_uninitialized(&r->right, k, n * sizeof *r->right, what);
    if (status != PARE_OK) free_room(r);
    return status;
}

static void fill_right(const pare_lora_matrix *m, room *r) {
    int64_t count = r->rank * r->columns;
    for (int64_t i = 0; i < count; i++) {
        r->right[i] = m->a[i] - m->da[i];
        r->right[count + i] = m->da[i];
    }
}

static void fill_left(const pare_lora_matrix *m, int64_t first, int64_t rows, room *r) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < r->rank; j++) {
            r->left[2 * i * r->rank + j] = m->db[(first + i) * r->rank + j];
            r->left[(2 * i + 1) * r->rank + j] = m->b[(first + i) * r->rank + j];
        }
}

static void fill_ones(int64_t count, float *out) {
    for (int64_t i = 0; i < count; i++)
        out[i] = 1.0f;
}

/* Rows [first, first + rows) of both factors of the score. */
static void compose(const pare_lora_layer *layer, size_t id, const pare_lora_matrix *m, int64_t first, int64_t rows,
                    room *r) {
    int64_t rank = r->rank, n = r->columns;
    pare_source_rows(layer->source, id, first, rows, r->weight);
    pare_product(rows, n, rank, layer->scale, (pare_rows){m->b + first * rank, rank}, (pare_rows){m->a, n}, 1.0f,
                 r->weight, n);
    if (layer->estimate == PARE_LORA_MAGNITUDE) {
        fill_ones(rows * n, r->gradient);
        return;
    }
    fill_left(m, first, rows, r);
    pare_product(rows, n, 2 * rank, 1.0f, (pare_rows){r->left, 2 * rank}, (pare_rows){r->right, n}, 0.0f, r->gradient,
                 n);
}

PARE_VECTORIZE static void add_products(const float *restrict a, const float *restrict b, int64_t n,
                                        double *restrict sums) {
    for (int64_t i = 0; i < n; i++)
        sums[i] += fabs((double)a[i] * (double)b[i]);
}

static double row_sum(const float *a, const float *b, int64_t n) {
    double lanes[LANES] = {0}, sum = 0.0;
    for (int64_t i = 0; i < n; i += LANES)
        add_products(a + i, b + i, n - i < LANES ? n - i : LANES, lanes);
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

static void add_row_sums(const room *r, int64_t rows, double *index) {
    int64_t n = r->columns;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++)
        index[i] = row_sum(r->gradient + i * n, r->weight + i * n, n);
}

/* Every column is added up by one thread, from the first row to the last. */
static void add_column_sums(const room *r, int64_t rows, double *index) {
    int64_t n = r->columns;
#pragma omp parallel for schedule(static)
    for (int64_t column = 0; column < n; column += PIECE)
        for (int64_t i = 0; i < rows; i++)
            add_products(r->gradient + i * n + column, r->weight + i * n + column,
                         n - column < PIECE ? n - column : PIECE, index + column);
}

pare_status pare_lora_index_scores(const pare_lora_layer *layer, pare_role role, double *index) {
    size_t id = pare_tensor_id(layer->layer, role);
    int64_t rows, columns;
    room r;
    pare_tensor_matrix(layer->source->model->tensors[id], &rows, &columns);
    PARE_TRY(new_room(columns, layer->rank, &r));
    fill_right(&layer->matrix[role], &r);
    for (int64_t i = 0; pare_role_writes(role) && i < columns; i++)
        index[i] = 0.0;
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t count = rows - first < ROWS ? rows - first : ROWS;
        compose(layer, id, &layer->matrix[role], first, count, &r);
        if (pare_role_writes(role))
            add_column_sums(&r, count, index);
        else
            add_row_sums(&r, count, index + first);
    }
    free_room(&r);
    return PARE_OK;
}

/* units[u] += the sum over u's share of the indices / the norm of all these sums. sums: room for [units]. */
static void add_units(const double *index, uint64_t indices, uint32_t units, double *sums, double *out) {
    uint64_t width = indices / units;
    double squares = 0.0;
    for (uint32_t unit = 0; unit < units; unit++) {
        sums[unit] = 0.0;
        for (uint64_t i = 0; i < width; i++)
            sums[unit] += index[unit * width + i];
        squares += sums[unit] * sums[unit];
    }
    double norm = sqrt(squares) + 1e-8;
    for (uint32_t unit = 0; unit < units; unit++)
        out[unit] += sums[unit] / norm;
}

/* Of the matrices of a part, which are cut into the same units. */
static pare_status score_units(const pare_lora_layer *layer, pare_part part, uint32_t units, double *index,
                               double *out) {
    for (uint32_t unit = 0; unit < units; unit++)
        out[unit] = 0.0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        if (!pare_role_in(role, part) || !pare_has_role(&layer->source->model->config.architecture, role)) continue;
        pare_tensor_matrix(layer->source->model->tensors[pare_tensor_id(layer->layer, role)], &rows, &columns);
        uint64_t indices = (uint64_t)(pare_role_writes(role) ? columns : rows);
        PARE_TRY(pare_lora_index_scores(layer, role, index));
        add_units(index, indices, units, index + indices, out);
    }
    return PARE_OK;
}

static uint64_t most_indices(const pare_model *model, uint32_t layer) {
    const pare_widths *w = &model->config.widths[layer];
    uint64_t heads = (uint64_t)w->heads * model->config.head_size;
    return heads > w->ffn ? heads : w->ffn;
}

pare_status pare_lora_unit_scores(const pare_lora_layer *layer, double *heads, double *ffn) {
    const pare_model *model = layer->source->model;
    const pare_widths *w = &model->config.widths[layer->layer];
    double *index;
    PARE_TRY(pare_alloc(&index, 2 * most_indices(model, layer->layer), sizeof *index, "scores"));
    pare_status status = PARE_OK;
    if (heads) status = score_units(layer, PARE_PART_ATTENTION, w->kv_heads, index, heads);
    if (ffn && status == PARE_OK) status = score_units(layer, PARE_PART_FFN, w->ffn, index, ffn);
    pare_free(index);
    return status;
}

uint64_t pare_lora_scores_bytes(const pare_model *model, int64_t rank) {
    uint64_t most = 0, k = 2 * (uint64_t)rank;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        uint64_t indices = most_indices(model, layer), d = model->config.hidden;
        uint64_t columns = indices > d ? indices : d;
        uint64_t bytes = sizeof(float) * (2 * ROWS * columns + k * (ROWS + columns)) + 2 * sizeof(double) * indices;
        most = bytes > most ? bytes : most;
    }
    return most;
}
