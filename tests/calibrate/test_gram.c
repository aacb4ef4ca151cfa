/* Gram matrices and cross products against plain sums, both layouts, both operand types. */
#include "backend/backend.h"
#include "calibrate/gram.h"
#include "golden.h"
#include "support/memory.h"
#include "support/random.h"

enum { TOKENS = 70, WIDTH = 13, ROWS = 5, BATCHES = 3 };

typedef struct batch {
    float x[TOKENS * WIDTH], r[TOKENS * ROWS]; /* as floats, by token */
} batch;

static void make(batch *b, uint64_t seed, pare_dtype operand) {
    pare_random random = {.seed = seed};
    for (int i = 0; i < TOKENS * WIDTH; i++)
        b->x[i] = (float)(pare_random_uniform(&random) - 0.3);
    for (int i = 0; i < TOKENS * ROWS; i++)
        b->r[i] = (float)(pare_random_uniform(&random) - 0.5);
    for (int i = 0; i < TOKENS * WIDTH && operand == PARE_DTYPE_BF16; i++)
        b->x[i] = pare_bf16_to_float(pare_float_to_bf16(b->x[i]));
    for (int i = 0; i < TOKENS * ROWS && operand == PARE_DTYPE_BF16; i++)
        b->r[i] = pare_bf16_to_float(pare_float_to_bf16(b->r[i]));
}

static void *operands(const pare_backend *backend, const float *x, int rows, int columns, bool transpose) {
    float *moved = malloc((size_t)(rows * columns) * sizeof *moved);
    void *out;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            moved[transpose ? j * rows + i : i * columns + j] = x[i * columns + j];
    assert_int_equal(pare_alloc(&out, (size_t)(rows * columns), sizeof(float), "operands"), PARE_OK);
    backend->operations->to_operand(backend, moved, rows * columns, out);
    free(moved);
    return out;
}

/* |sum - plain| may be the fp32 rounding of BATCHES * TOKENS products. */
static void compare(const batch *all, const float *sum, bool cross) {
    int rows = cross ? ROWS : WIDTH;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < WIDTH; j++) {
            double plain = 0.0, size = 0.0;
            for (int b = 0; b < BATCHES; b++)
                for (int t = 0; t < TOKENS; t++) {
                    double left = (double)(cross ? all[b].r[t * ROWS + i] : all[b].x[t * WIDTH + i]);
                    double term = left * (double)all[b].x[t * WIDTH + j];
                    plain += term;
                    size += fabs(term);
                }
            double bound = size * (BATCHES * TOKENS * 0x1p-24);
            assert_true(fabs((double)sum[i * WIDTH + j] - plain) <= bound);
        }
}

static void check(pare_compute compute, bool by_feature) {
    static batch all[BATCHES];
    static float gram[WIDTH * WIDTH], cross[ROWS * WIDTH];
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(compute, 1, &backend), PARE_OK);
    for (int b = 0; b < BATCHES; b++) {
        make(&all[b], (uint64_t)b + 1, backend->operand);
        void *x = operands(backend, all[b].x, TOKENS, WIDTH, by_feature);
        void *r = operands(backend, all[b].r, TOKENS, ROWS, false);
        pare_inputs inputs = {.x = x, .tokens = TOKENS, .width = WIDTH, .by_feature = by_feature};
        assert_int_equal(pare_gram_add(backend, &inputs, b == 0, gram), PARE_OK);
        assert_int_equal(pare_cross_add(backend, &inputs, r, ROWS, b == 0, cross), PARE_OK);
        pare_free(x);
        pare_free(r);
    }
    compare(all, gram, false);
    compare(all, cross, true);
    pare_backend_close(backend);
}

static void sums_are_plain_sums(void **state) {
    (void)state;
    for (int by_feature = 0; by_feature < 2; by_feature++) {
        check(PARE_COMPUTE_FP32, by_feature);
        check(PARE_COMPUTE_BF16, by_feature);
    }
}

/* Wider than a block of rows, the last of them narrow; the values are whole numbers, and so are their sums. */
static void wide_sums_are_whole(pare_compute compute, bool by_feature, bool once) {
    enum { WIDE = 1100, FEW = 6 };
    float *x = malloc(WIDE * FEW * sizeof *x), *gram = malloc((size_t)WIDE * WIDE * sizeof *gram);
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(compute, 1, &backend), PARE_OK);
    for (int i = 0; i < WIDE * FEW; i++)
        x[i] = (float)(i * 31 % 17 - 8);
    void *operand = operands(backend, x, FEW, WIDE, by_feature);
    pare_inputs inputs = {.x = operand, .tokens = FEW, .width = WIDE, .by_feature = by_feature};
    for (int i = 0; i < WIDE * WIDE; i++)
        gram[i] = NAN;
    for (int b = 0; b < 2; b++)
        assert_int_equal((once ? pare_gram_add_lower : pare_gram_add)(backend, &inputs, b == 0, gram), PARE_OK);
    if (once) pare_gram_mirror(gram, WIDE);
    for (int i = 0; i < WIDE; i++)
        for (int j = 0; j < WIDE; j++) {
            float plain = 0.0f;
            for (int t = 0; t < FEW; t++)
                plain += 2.0f * x[t * WIDE + i] * x[t * WIDE + j];
            assert_true(gram[(size_t)i * WIDE + (size_t)j] == plain);
        }
    pare_free(operand);
    free(x);
    free(gram);
    pare_backend_close(backend);
}

static void triangles_are_mirrored(void **state) {
    (void)state;
    for (int by_feature = 0; by_feature < 2; by_feature++) {
        wide_sums_are_whole(PARE_COMPUTE_FP32, by_feature, false);
        wide_sums_are_whole(PARE_COMPUTE_BF16, by_feature, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_are_plain_sums), cmocka_unit_test(triangles_are_mirrored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
