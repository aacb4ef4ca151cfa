#include "repair/sandwich.h"
#include "support/memory.h"
#include "support/product.h"

bool pare_sandwich_rounds(const pare_backend *backend) {
    return backend && backend->operand == PARE_DTYPE_BF16;
}

static pare_status round_side(const pare_backend *backend, const float *side, int64_t n, void **out) {
    size_t count = (size_t)(n * n);
    PARE_TRY(pare_alloc_uninitialized(out, count, pare_operand_size(backend), "weight update"));
    backend->operations->to_operand(backend, side, n * n, *out);
    return PARE_OK;
}

pare_status pare_sandwich_new(const pare_backend *backend, const float *left, int64_t rows, const float *right,
                              int64_t columns, pare_sandwich *out) {
    *out = (pare_sandwich){.rows = rows, .columns = columns, .left = left, .right = right};
    if (!pare_sandwich_rounds(backend)) return PARE_OK;
    out->backend = backend;
    pare_status status = round_side(backend, right, columns, &out->right_rounded);
    if (!status && left) status = round_side(backend, left, rows, &out->left_rounded);
    if (status) pare_sandwich_free(out);
    return status;
}

void pare_sandwich_free(pare_sandwich *sandwich) {
    pare_free(sandwich->left_rounded);
    pare_free(sandwich->right_rounded);
    *sandwich = (pare_sandwich){0};
}

pare_status pare_sandwich_room_new(const pare_sandwich *sandwich, pare_sandwich_room *out) {
    size_t count = (size_t)(sandwich->rows * sandwich->columns);
    *out = (pare_sandwich_room){0};
    if (sandwich->left) PARE_TRY(pare_alloc_uninitialized(&out->middle, count, sizeof(float), "weight update"));
    if (!sandwich->backend) return PARE_OK;
    pare_status status =
        pare_alloc_uninitialized(&out->rounded, count, pare_operand_size(sandwich->backend), "weight update");
    if (status) pare_sandwich_room_free(out);
    return status;
}

void pare_sandwich_room_free(pare_sandwich_room *room) {
    pare_free(room->middle);
    pare_free(room->rounded);
    *room = (pare_sandwich_room){0};
}

uint64_t pare_sandwich_bytes(bool rounds, bool coupled, int64_t rows, int64_t columns) {
    uint64_t sides = (uint64_t)(columns * columns) + (coupled ? (uint64_t)(rows * rows) : 0);
    return rounds ? sides * sizeof(uint16_t) : 0;
}

uint64_t pare_sandwich_room_bytes(bool rounds, bool coupled, int64_t rows, int64_t columns) {
    return (uint64_t)(rows * columns) * ((coupled ? sizeof(float) : 0) + (rounds ? sizeof(uint16_t) : 0));
}

/* c = a b of operands; a: [m, k], b: [k, n]. */
static pare_status multiply(const pare_backend *backend, int64_t m, int64_t n, int64_t k, const void *a, const void *b,
                            float *c) {
    const pare_matmul shape = {.batch = 1, .m = m, .n = n, .k = k};
    return backend->operations->matmul(backend, &shape, a, b, c);
}

static pare_status run_rounded(const pare_sandwich *s, const pare_sandwich_room *room, const float *matrix,
                               int64_t count, float *product) {
    const pare_backend *backend = s->backend;
    int64_t n = s->columns;
    float *first = s->left ? room->middle : product;
    backend->operations->to_operand(backend, matrix, count * n, room->rounded);
    PARE_TRY(multiply(backend, count, n, n, room->rounded, s->right_rounded, first));
    if (!s->left) return PARE_OK;
    backend->operations->to_operand(backend, first, count * n, room->rounded);
    return multiply(backend, count, n, count, s->left_rounded, room->rounded, product);
}

pare_status pare_sandwich_run(const pare_sandwich *sandwich, const pare_sandwich_room *room, const float *matrix,
                              int64_t count, float *product) {
    const pare_sandwich *s = sandwich;
    int64_t n = s->columns;
    if (s->backend) return run_rounded(s, room, matrix, count, product);
    float *first = s->left ? room->middle : product;
    pare_product(count, n, n, 1.0f, (pare_rows){matrix, n}, (pare_rows){s->right, n}, 0.0f, first, n);
    if (s->left)
        pare_product(count, n, count, 1.0f, (pare_rows){s->left, count}, (pare_rows){first, n}, 0.0f, product, n);
    return PARE_OK;
}

pare_work pare_sandwich_work(bool rounds, bool coupled, int64_t rows, int64_t columns, double times) {
    double elements = (double)rows * (double)columns;
    pare_work total = {{0}};
    total.amount[rounds ? PARE_WORK_PRODUCTS : PARE_WORK_SINGLE] =
        times * 2.0 * elements * (double)(columns + (coupled ? rows : 0));
    if (rounds) total.amount[PARE_WORK_BYTES] = times * elements * (coupled ? 12.0 : 6.0);
    return total;
}
