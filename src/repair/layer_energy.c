#include "repair/layer_energy.h"
#include "repair/dot.h"
#include "repair/layer_error.h"
#include "support/memory.h"
#include "support/order.h"

#include <string.h>

/* Rows of D^T D at a time. */
enum { BLOCK = 512 };

typedef struct work {
    const pare_backend *backend;
    const float *gram;
    int64_t rows, columns;
    void *operand;     /* D, [rows, columns] */
    float *product;    /* [BLOCK, columns] */
    double sum[BLOCK]; /* of the block's rows */
} work;

uint64_t pare_layer_energy_bytes(int64_t rows, int64_t columns) {
    uint64_t exact = (uint64_t)(rows * columns) * sizeof(uint16_t) +
                     (uint64_t)(pare_smaller(columns, BLOCK) * columns) * sizeof(float),
             other = pare_layer_error_bytes(rows, columns);
    return exact > other ? exact : other;
}

pare_work pare_layer_energy_work(bool exact, int64_t rows, int64_t columns) {
    double elements = (double)rows * (double)columns;
    pare_work total = {{0}};
    if (!exact) return pare_layer_error_work(rows, columns);
    total.amount[PARE_WORK_PRODUCTS] = elements * (double)(columns + pare_smaller(columns, BLOCK));
    total.amount[PARE_WORK_BYTES] = 3.0 * elements * sizeof(float);
    return total;
}

static bool is_bf16(const float *values, int64_t count) {
    uint32_t low = 0;
#pragma omp parallel for schedule(static) reduction(| : low)
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        low |= bits & 0xffff;
    }
    return low == 0;
}

/* Rows row .. row + count of D^T D up to the diagonal, each with G's: what is off the diagonal's block counts twice. */
static pare_status add_block(work *w, int64_t row, int64_t count, double *energy) {
    int64_t n = w->columns;
    const pare_matmul shape = {
        .batch = 1, .m = count, .n = row + count, .k = w->rows, .transpose_a = true, .lda = n, .ldb = n, .ldc = n};
    PARE_TRY(w->backend->operations->matmul(w->backend, &shape, pare_operand_at(w->backend, w->operand, row),
                                            w->operand, w->product));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        const float *product = w->product + i * n, *gram = w->gram + (row + i) * n;
        w->sum[i] = 2.0 * pare_dot(product, gram, row) + pare_dot(product + row, gram + row, count);
    }
    for (int64_t i = 0; i < count; i++)
        *energy += w->sum[i];
    return PARE_OK;
}

static pare_status run(work *w, const float *d, double *energy) {
    size_t count = (size_t)(w->rows * w->columns);
    PARE_TRY(pare_alloc_uninitialized(&w->operand, count, pare_operand_size(w->backend), "layer error"));
    PARE_TRY(pare_alloc_uninitialized(&w->product, (size_t)(pare_smaller(w->columns, BLOCK) * w->columns),
                                      sizeof(float), "layer error"));
    w->backend->operations->to_operand(w->backend, d, w->rows * w->columns, w->operand);
    for (int64_t row = 0; row < w->columns; row += BLOCK)
        PARE_TRY(add_block(w, row, pare_smaller(w->columns - row, BLOCK), energy));
    return PARE_OK;
}

pare_status pare_layer_energy(const pare_backend *backend, const float *d, const float *gram, int64_t rows,
                              int64_t columns, double *energy) {
    work w = {.backend = backend, .gram = gram, .rows = rows, .columns = columns};
    *energy = 0.0;
    if (backend->operand != PARE_DTYPE_BF16 || !is_bf16(d, rows * columns))
        return pare_layer_error(d, NULL, gram, rows, columns, energy, NULL);
    pare_status status = run(&w, d, energy);
    pare_free(w.operand);
    pare_free(w.product);
    return status;
}
