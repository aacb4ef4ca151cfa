/* The threshold of released code: everything up to the score of sorted index k goes, against a sorted copy. */
#include "golden.h"
#include "select/element_select.h"

static uint64_t state = 5;

/* Few values, so that many are equal; or many. */
static float *scores_new(int64_t n, int values) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)((state >> 33) % (uint64_t)values) / 7.0f;
    }
    return x;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The score of sorted index k, or the largest, among columns [first, first + width). */
static float threshold_of(const float *x, const pare_element_mask *mask, int64_t first, int64_t width, double share) {
    int64_t n = mask->rows * width, k = pare_element_count(n, share);
    float *sorted = malloc((size_t)n * sizeof *sorted);
    for (int64_t row = 0; row < mask->rows; row++)
        memcpy(sorted + row * width, x + row * mask->columns + first, (size_t)width * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    float threshold = sorted[k < n ? k : n - 1];
    free(sorted);
    return threshold;
}

static void check(int64_t rows, int64_t columns, int values, pare_element_target target) {
    int64_t slab = target.compare == PARE_COMPARE_SLAB ? target.slab : columns;
    float *x = scores_new(rows * columns, values);
    pare_element_mask mask;
    target.inclusive = true;
    assert_int_equal(pare_element_mask_new(rows, columns, &mask), PARE_OK);
    assert_int_equal(pare_element_select(x, &target, &mask), PARE_OK);
    for (int64_t first = 0; first < columns; first += slab) {
        int64_t width = columns - first < slab ? columns - first : slab;
        float threshold = threshold_of(x, &mask, first, width, target.sparsity);
        for (int64_t row = 0; row < rows; row++)
            for (int64_t j = first; j < first + width; j++)
                assert_int_equal(pare_element_kept(&mask, row, j), x[row * columns + j] > threshold);
    }
    pare_element_mask_free(&mask);
    free(x);
}

static const double shares[] = {0.0, 0.001, 0.3, 0.5, 0.999, 1.0};
enum { SHARES = sizeof shares / sizeof *shares };

static void matrices_and_slabs(void **unused) {
    (void)unused;
    for (int i = 0; i < SHARES; i++)
        for (int values = 3; values <= 3000000; values = values < 3000000 ? values * 1000 : INT32_MAX) {
            pare_element_target matrix = {.sparsity = shares[i], .compare = PARE_COMPARE_MATRIX};
            pare_element_target slab = {.sparsity = shares[i], .compare = PARE_COMPARE_SLAB, .slab = 10};
            check(1, 1, values, matrix);
            check(7, 65, values, matrix);
            check(7, 65, values, slab);
        }
}

/* Too large for one cache, where the histogram takes over. */
static void large_matrices(void **unused) {
    (void)unused;
    check(1031, 1021, 3000000, (pare_element_target){.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX});
    check(1031, 1021, 50, (pare_element_target){.sparsity = 0.7, .compare = PARE_COMPARE_MATRIX});
}

static void one_group(void **unused) {
    (void)unused;
    for (int i = 0; i < SHARES; i++) {
        enum { MANY = 100 };
        uint8_t kept[MANY];
        float *x = scores_new(MANY, 20);
        pare_element_mask mask = {.rows = 1, .columns = MANY};
        float threshold = threshold_of(x, &mask, 0, MANY, shares[i]);
        pare_element_select_until(x, MANY, pare_element_count(MANY, shares[i]), kept);
        for (int j = 0; j < MANY; j++)
            assert_int_equal(kept[j], x[j] > threshold);
        free(x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(matrices_and_slabs), cmocka_unit_test(large_matrices),
                                       cmocka_unit_test(one_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
