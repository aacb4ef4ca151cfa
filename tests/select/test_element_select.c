/* Masks of every kind equal those of a full sort, bit for bit: with many ties, tails, one row, one column, all and
 * nothing pruned; for any number of threads; and no score that cannot be ranked is accepted. */
#include "select/element_masks.h"

#include <omp.h>

typedef struct shape2 {
    int64_t rows, columns;
} shape2;

static const shape2 shapes[] = {{1, 1},  {1, 7},   {5, 1},    {3, 8},    {4, 64},
                                {7, 65}, {6, 130}, {2, 1031}, {37, 263}, {80, 3}};
static const uint32_t levels[] = {0, 1, 40};
static const int shares[] = {0, 29, 50, 97, 100};

enum { SHAPES = sizeof shapes / sizeof *shapes, LEVELS = 3, SHARES = sizeof shares / sizeof *shares };

static void compare(const float *scores, shape2 s, const pare_element_target *target, const bool *gone,
                    const char *what) {
    pare_element_mask mask;
    int64_t count = 0;
    assert_int_equal(pare_element_mask_new(s.rows, s.columns, &mask), PARE_OK);
    pare_element_mask_fill(&mask);
    assert_int_equal(pare_element_select(scores, target, &mask), PARE_OK);
    assert_mask(what, &mask, gone);
    for (int64_t i = 0; i < s.rows * s.columns; i++)
        count += gone[i];
    assert_int_equal(pare_element_target_count(target, s.rows, s.columns), count);
    assert_int_equal(pare_element_mask_kept(&mask), s.rows * s.columns - count);
    pare_element_mask_free(&mask);
}

static void check_share(const float *scores, shape2 s, int share, pare_comparison kind, int64_t slab) {
    static const char *const names[] = {"row", "matrix", "slab"};
    pare_element_target target = {.sparsity = share / 100.0, .compare = kind, .slab = slab};
    bool *gone = plain_mask(scores, s.rows, s.columns, kind == PARE_COMPARE_ROW ? 1 : s.rows,
                            kind == PARE_COMPARE_SLAB ? slab : s.columns, share_of_hundredths, &share);
    compare(scores, s, &target, gone, names[kind]);
    free(gone);
}

static void all_kinds(shape2 s, uint32_t level) {
    float *scores = random_scores(s.rows * s.columns, level, (uint64_t)(s.rows * 131 + s.columns));
    check_share(scores, s, 60, PARE_COMPARE_SLAB, 1);
    for (int i = 0; i < SHARES; i++) {
        check_share(scores, s, shares[i], PARE_COMPARE_ROW, 0);
        check_share(scores, s, shares[i], PARE_COMPARE_MATRIX, 0);
        check_share(scores, s, shares[i], PARE_COMPARE_SLAB, 37);
        check_share(scores, s, shares[i], PARE_COMPARE_SLAB, 128);
    }
    free(scores);
}

static void masks_equal_a_full_sort(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        for (int j = 0; j < LEVELS; j++)
            all_kinds(shapes[i], levels[j]);
}

/* Above the size up to which a matrix or a slab is held together. */
static void large_masks_equal_a_full_sort(void **state) {
    (void)state;
    const shape2 s = {1100, 1003};
    float *scores = random_scores(s.rows * s.columns, 40, 5);
    check_share(scores, s, 29, PARE_COMPARE_MATRIX, 0);
    check_share(scores, s, 60, PARE_COMPARE_SLAB, 1001);
    free(scores);
}

static const pattern patterns[] = {{2, 4}, {4, 8},  {1, 4},   {3, 4},   {0, 4},   {4, 4},     {1, 1},   {1, 2},
                                   {3, 5}, {7, 16}, {16, 32}, {30, 64}, {33, 65}, {100, 200}, {1, 3000}};

static void patterns_equal_a_full_sort(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        for (int j = 0; j < LEVELS; j++) {
            shape2 s = shapes[i];
            float *scores = random_scores(s.rows * s.columns, levels[j], (uint64_t)(7 * i + j));
            for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
                pare_element_target target = {.keep = patterns[p].keep, .of = patterns[p].of};
                bool *gone = plain_mask(scores, s.rows, s.columns, 1, target.of, share_of_pattern, &patterns[p]);
                compare(scores, s, &target, gone, "pattern");
                free(gone);
            }
            free(scores);
        }
}

/* One group of a caller's own, contiguous and by columns. */
static void groups_equal_a_full_sort(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 2, 4, 8, 16, 17, 64, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int64_t step = 1; step <= 5; step += 4)
            for (int share = 0; share <= 100; share += 25) {
                int64_t n = sizes[i], index[1000], prune = n * share / 100;
                float *scores = random_scores(n * step, i % 2 ? 4 : 0, i);
                bool *gone = calloc((size_t)(n * step), 1);
                uint8_t kept[1000];
                for (int64_t j = 0; j < n; j++)
                    index[j] = j * step;
                plain_prune(scores, index, n, prune, gone);
                pare_element_select_group(scores, n, step, prune, kept);
                for (int64_t j = 0; j < n; j++)
                    assert_int_equal(kept[j], !gone[j * step]);
                free(scores);
                free(gone);
            }
}

/* Large enough that the work is shared. */
static void threads_do_not_matter(void **state) {
    (void)state;
    static const pare_element_target targets[] = {{.sparsity = 0.5, .compare = PARE_COMPARE_ROW},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX},
                                                  {.sparsity = 0.6, .compare = PARE_COMPARE_SLAB, .slab = 128},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_CUMULATIVE},
                                                  {.keep = 2, .of = 4}};
    enum { ROWS = 600, COLUMNS = 301 };
    int before = omp_get_max_threads();
    float *scores = random_scores(ROWS * COLUMNS, 500, 3);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        pare_element_mask one, more;
        assert_int_equal(pare_element_mask_new(ROWS, COLUMNS, &one), PARE_OK);
        assert_int_equal(pare_element_mask_new(ROWS, COLUMNS, &more), PARE_OK);
        omp_set_num_threads(1);
        assert_int_equal(pare_element_select(scores, &targets[i], &one), PARE_OK);
        for (int threads = 2; threads <= 5; threads++) {
            omp_set_num_threads(threads);
            assert_int_equal(pare_element_select(scores, &targets[i], &more), PARE_OK);
            assert_memory_equal(one.word, more.word, (size_t)(one.rows * one.stride) * sizeof *one.word);
        }
        pare_element_mask_free(&one);
        pare_element_mask_free(&more);
    }
    omp_set_num_threads(before);
    free(scores);
}

static void scores_without_an_order_are_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, -1.0f};
    static const pare_element_target targets[] = {{.sparsity = 0.5, .compare = PARE_COMPARE_ROW},
                                                  {.sparsity = 0.0, .compare = PARE_COMPARE_ROW},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX},
                                                  {.sparsity = 1.0, .compare = PARE_COMPARE_SLAB, .slab = 16},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_CUMULATIVE},
                                                  {.keep = 2, .of = 4}};
    float *scores = random_scores(9 * 70, 0, 1);
    pare_element_mask mask;
    assert_int_equal(pare_element_mask_new(9, 70, &mask), PARE_OK);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            float good = scores[6 * 70 + 69];
            scores[6 * 70 + 69] = bad[j];
            assert_int_equal(pare_element_select(scores, &targets[i], &mask), PARE_NUMERIC_ERROR);
            assert_non_null(strstr(pare_message(), "row 6, column 69"));
            scores[6 * 70 + 69] = good;
            assert_int_equal(pare_element_select(scores, &targets[i], &mask), PARE_OK);
        }
    pare_element_mask_free(&mask);
    free(scores);
}

static void targets_without_sense_are_refused(void **state) {
    (void)state;
    static const pare_element_target targets[] = {{.sparsity = -0.1},
                                                  {.sparsity = 1.1},
                                                  {.sparsity = NAN},
                                                  {.keep = 5, .of = 4},
                                                  {.keep = -1, .of = 4},
                                                  {.keep = 2, .of = -4},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB},
                                                  {.sparsity = 0.5, .compare = PARE_COMPARE_GLOBAL}};
    const float scores[4] = {1, 2, 3, 4};
    pare_element_mask mask;
    assert_int_equal(pare_element_mask_new(1, 4, &mask), PARE_OK);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        assert_int_equal(pare_element_select(scores, &targets[i], &mask), PARE_BAD_ARGUMENT);
    pare_element_mask_free(&mask);
}

/* Negative zeros are zeros: ties of positive ones. */
static void zeros_have_no_sign(void **state) {
    (void)state;
    const float scores[4] = {0.0f, -0.0f, 0.0f, -0.0f};
    pare_element_mask mask;
    assert_int_equal(pare_element_mask_new(1, 4, &mask), PARE_OK);
    for (int kind = PARE_COMPARE_ROW; kind <= PARE_COMPARE_MATRIX; kind++) {
        pare_element_target target = {.sparsity = 0.5, .compare = (pare_comparison)kind};
        assert_int_equal(pare_element_select(scores, &target, &mask), PARE_OK);
        assert_int_equal(mask.word[0], 0xc);
    }
    pare_element_mask_free(&mask);
}

static void counts_do_not_suffer_from_rounding(void **state) {
    (void)state;
    assert_int_equal(pare_element_count(10, 0.3), 3);
    for (int hundredths = 0; hundredths <= 100; hundredths++)
        for (int64_t n = 0; n <= 300; n++)
            assert_int_equal(pare_element_count(n, hundredths / 100.0), n * hundredths / 100);
    assert_int_equal(pare_element_count(45088768, 0.7), 31562137);
    assert_int_equal(pare_element_count(1 << 20, 1.0 - 1e-6), (1 << 20) - 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_equal_a_full_sort),
        cmocka_unit_test(large_masks_equal_a_full_sort),
        cmocka_unit_test(patterns_equal_a_full_sort),
        cmocka_unit_test(groups_equal_a_full_sort),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(scores_without_an_order_are_refused),
        cmocka_unit_test(targets_without_sense_are_refused),
        cmocka_unit_test(zeros_have_no_sign),
        cmocka_unit_test(counts_do_not_suffer_from_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
