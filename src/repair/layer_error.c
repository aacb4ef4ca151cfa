#include "repair/layer_error.h"
#include "repair/dot.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/product.h"

/* Rows in hand, and the depth and width of a product in fp32. */
enum { ROWS = 2048, TILE = 512 };

typedef struct work {
    const float *gram;
    int64_t columns;
    float *rows;    /* [ROWS, columns] */
    float *product; /* [ROWS, TILE] */
    double *sums;   /* of the rows in hand */
} work;

static void work_free(work *w) {
    pare_free(w->rows);
    pare_free(w->product);
}

uint64_t pare_layer_error_bytes(int64_t rows, int64_t columns) {
    return (uint64_t)pare_smaller(rows, ROWS) * (uint64_t)(columns + TILE) * sizeof(float) +
           (uint64_t)rows * sizeof(double);
}

/* Half of the Gram matrix, in tiles. */
pare_work pare_layer_error_work(int64_t rows, int64_t columns) {
    double elements = (double)rows * (double)columns;
    pare_work total = {{0}};
    total.amount[PARE_WORK_SINGLE] = elements * (double)(columns + pare_smaller(columns, TILE));
    total.amount[PARE_WORK_BYTES] = 4.0 * elements * sizeof(float);
    return total;
}

static pare_status work_new(const float *gram, int64_t rows, int64_t columns, work *w) {
    size_t count = (size_t)pare_smaller(rows, ROWS);
    *w = (work){.gram = gram, .columns = columns};
    pare_status status = pare_alloc(&w->rows, count * (size_t)columns, sizeof(float), "layer error");
    if (!status) status = pare_alloc(&w->product, count * TILE, sizeof(float), "layer error");
    if (status) work_free(w);
    return status;
}

/* sums += factor d[from ..] G[from .., to ..] d[to ..]^T for every row, over one tile of G */
static void add_tile(const work *w, int64_t count, int64_t from, int64_t to) {
    int64_t n = w->columns, depth = pare_smaller(n - from, TILE), width = pare_smaller(n - to, TILE);
    double factor = from == to ? 1.0 : 2.0;
    pare_product(count, width, depth, 1.0f, (pare_rows){w->rows + from, n}, (pare_rows){w->gram + from * n + to, n},
                 0.0f, w->product, TILE);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < count; row++)
        w->sums[row] += factor * pare_dot(w->product + row * TILE, w->rows + row * n + to, width);
}

/* d G d^T of every row in hand: G is symmetric, so tiles off the diagonal count twice. */
static void quadratic(const work *w, int64_t count) {
    for (int64_t row = 0; row < count; row++)
        w->sums[row] = 0.0;
    for (int64_t to = 0; to < w->columns; to += TILE)
        for (int64_t from = to; from < w->columns; from += TILE)
            add_tile(w, count, from, to);
}

static void take_difference(const work *w, const float *before, const float *after, int64_t count) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count * w->columns; i++)
        w->rows[i] = before[i] - (after ? after[i] : 0.0f);
}

pare_status pare_layer_error_rows(const float *before, const float *after, const float *gram, int64_t rows,
                                  int64_t columns, double *errors) {
    work w;
    PARE_TRY(work_new(gram, rows, columns, &w));
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t count = pare_smaller(rows - first, ROWS), offset = first * columns;
        w.sums = errors + first;
        take_difference(&w, before + offset, after ? after + offset : NULL, count);
        quadratic(&w, count);
    }
    work_free(&w);
    return PARE_OK;
}

static pare_status total(const float *before, const float *after, const float *gram, int64_t rows, int64_t columns,
                         double *errors, double *sum) {
    *sum = 0.0;
    PARE_TRY(pare_layer_error_rows(before, after, gram, rows, columns, errors));
    for (int64_t row = 0; row < rows; row++)
        *sum += errors[row];
    return PARE_OK;
}

pare_status pare_layer_error(const float *before, const float *after, const float *gram, int64_t rows, int64_t columns,
                             double *error, double *energy) {
    double *errors;
    PARE_TRY(pare_alloc(&errors, (size_t)rows, sizeof *errors, "layer error"));
    pare_status status = total(before, after, gram, rows, columns, errors, error);
    if (!status && energy) status = total(before, NULL, gram, rows, columns, errors, energy);
    pare_free(errors);
    return status;
}
