#include "repair/sandwich.h"
#include "support/memory.h"
#include "support/product.h"

bool pare_sandwich_rounds(const pare_backend *backend) {
    return backend && backend->operand == PARE_DTYPE_BF16;
}

static pare_status round_side(const pare_backend *backend, const float *side, int64_t elements, void **out) {
    PARE_TRY(pare_alloc_uninitialized(out, (size_t)elements, pare_operand_size(backend), "weight update"));
    backend->operations->to_operand(backend, side, elements, *out);
    return PARE_OK;
}

pare_status pare_sandwich_new(const pare_backend *backend, const float *left, pare_blocks rows, const float *right,
                              int64_t columns, pare_sandwich *out) {
    *out = (pare_sandwich){.rows = rows, .columns = columns, .left = left, .right = right};
    if (!pare_sandwich_rounds(backend)) return PARE_OK;
    out->backend = backend;
    pare_status status = round_side(backend, right, columns * columns, &out->right_rounded);
    if (!status && left) status = round_side(backend, left, pare_blocks_elements(rows), &out->left_rounded);
    if (status) pare_sandwich_free(out);
    return status;
}

void pare_sandwich_free(pare_sandwich *sandwich) {
    pare_free(sandwich->left_rounded);
    pare_free(sandwich->right_rounded);
    *sandwich = (pare_sandwich){0};
}

pare_status pare_sandwich_room_new(const pare_sandwich *sandwich, pare_sandwich_room *out) {
    size_t count = (size_t)(pare_blocks_rows(sandwich->rows) * sandwich->columns);
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

uint64_t pare_sandwich_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t sides = (uint64_t)(columns * columns) + (uint64_t)(rows * coupled);
    return rounds ? sides * sizeof(uint16_t) : 0;
}

uint64_t pare_sandwich_room_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns) {
    return (uint64_t)(rows * columns) * ((coupled ? sizeof(float) : 0) + (rounds ? sizeof(uint16_t) : 0));
}

/* product = matrix right, [count, columns]. */
static pare_status multiply_right(const pare_sandwich *s, const pare_sandwich_room *room, const float *matrix,
                                  int64_t count, float *product) {
    const pare_backend *backend = s->backend;
    int64_t n = s->columns;
    if (!backend) {
        pare_product(count, n, n, 1.0f, (pare_rows){matrix, n}, (pare_rows){s->right, n}, 0.0f, product, n);
        return PARE_OK;
    }
    const pare_matmul shape = {.batch = 1, .m = count, .n = n, .k = n};
    backend->operations->to_operand(backend, matrix, count * n, room->rounded);
    return backend->operations->matmul(backend, &shape, room->rounded, s->right_rounded, product);
}

/* product = left matrix, block by block; apart where products are in fp32. */
static pare_status multiply_left(const pare_sandwich *s, const pare_sandwich_room *room, const float *matrix,
                                 float *product) {
    const pare_backend *backend = s->backend;
    int64_t n = s->columns, size = s->rows.size;
    for (int64_t i = 0; i < (backend ? 0 : s->rows.count); i++)
        pare_product(size, n, size, 1.0f, (pare_rows){s->left + pare_blocks_begin(s->rows, i), size},
                     (pare_rows){matrix + i * size * n, n}, 0.0f, product + i * size * n, n);
    if (!backend) return PARE_OK;
    const pare_matmul shape = {.batch = s->rows.count, .m = size, .n = n, .k = size};
    backend->operations->to_operand(backend, matrix, pare_blocks_rows(s->rows) * n, room->rounded);
    return backend->operations->matmul(backend, &shape, s->left_rounded, room->rounded, product);
}

pare_status pare_sandwich_run(const pare_sandwich *sandwich, const pare_sandwich_room *room, const float *matrix,
                              int64_t count, float *product) {
    const pare_sandwich *s = sandwich;
    if (!s->left) return multiply_right(s, room, matrix, count, product);
    PARE_TRY(multiply_right(s, room, matrix, count, room->middle));
    return multiply_left(s, room, room->middle, product);
}

/* image = of - shift by */
static void subtract(const pare_sandwich *s, const float *of, float shift, const float *by, float *image) {
    int64_t size = pare_blocks_rows(s->rows) * s->columns;
#pragma omp parallel for schedule(static) if (size > 65536)
    for (int64_t i = 0; i < size; i++)
        image[i] = of[i] - shift * by[i];
}

pare_status pare_sandwich_resolve(const pare_sandwich *inverses, float shift, const pare_sandwich_room *room,
                                  const float *matrix, float *direction, float *image) {
    const pare_sandwich *s = inverses;
    float *right = s->left ? room->middle : direction;
    PARE_TRY(multiply_right(s, room, matrix, pare_blocks_rows(s->rows), right));
    subtract(s, matrix, shift, right, image); /* direction H, but for left */
    if (!s->left) return PARE_OK;
    PARE_TRY(multiply_left(s, room, right, direction));
    PARE_TRY(multiply_left(s, room, image, room->middle));
    subtract(s, image, shift, room->middle, image);
    return PARE_OK;
}

static pare_work work_of(bool rounds, double elements, double right, double left) {
    pare_work total = {{0}};
    total.amount[rounds ? PARE_WORK_PRODUCTS : PARE_WORK_SINGLE] = 2.0 * elements * (right + left);
    return total;
}

pare_work pare_sandwich_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, double times) {
    double elements = times * (double)rows * (double)columns;
    pare_work total = work_of(rounds, elements, (double)columns, (double)coupled);
    if (rounds) total.amount[PARE_WORK_BYTES] = elements * (coupled ? 12.0 : 6.0);
    return total;
}

pare_work pare_sandwich_resolve_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, double times) {
    double elements = times * (double)rows * (double)columns;
    pare_work total = work_of(rounds, elements, (double)columns, 2.0 * (double)coupled);
    total.amount[PARE_WORK_BYTES] = elements * ((rounds ? coupled ? 18.0 : 6.0 : 0.0) + (coupled ? 24.0 : 12.0));
    return total;
}
