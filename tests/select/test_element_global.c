/* One threshold over several matrices equals a full sort of all their scores; matrices are seen one at a time. */
#include "select/element_masks.h"

enum { MATRICES = 4 };

static const int64_t rows[MATRICES] = {3, 40, 1, 17}, columns[MATRICES] = {70, 129, 5, 1};

static void check(uint32_t levels, int share) {
    float *scores[MATRICES], *all;
    int64_t total = 0, at = 0;
    pare_global_threshold threshold;
    for (int i = 0; i < MATRICES; i++) {
        scores[i] = random_scores(rows[i] * columns[i], levels, (uint64_t)i);
        total += rows[i] * columns[i];
    }
    all = malloc((size_t)total * sizeof *all);
    for (int i = 0; i < MATRICES; at += rows[i] * columns[i], i++)
        memcpy(all + at, scores[i], (size_t)(rows[i] * columns[i]) * sizeof *all);
    bool *gone = plain_mask(all, 1, total, 1, total, share_of_hundredths, &share);
    assert_int_equal(pare_global_threshold_new(&threshold), PARE_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < MATRICES; i++)
            pare_global_threshold_see(&threshold, scores[i], rows[i] * columns[i]);
        assert_int_equal(pare_global_threshold_pass(&threshold, share / 100.0), PARE_OK);
        assert_int_equal(threshold.prune, total * share / 100);
    }
    at = 0;
    for (int i = 0; i < MATRICES; at += rows[i] * columns[i], i++) {
        pare_element_mask mask;
        assert_int_equal(pare_element_mask_new(rows[i], columns[i], &mask), PARE_OK);
        pare_global_select(&threshold, scores[i], &mask);
        assert_mask("global", &mask, gone + at);
        pare_element_mask_free(&mask);
        free(scores[i]);
    }
    pare_global_threshold_free(&threshold);
    free(gone);
    free(all);
}

static void one_threshold_equals_a_full_sort(void **state) {
    (void)state;
    for (int share = 0; share <= 100; share += 10) {
        check(0, share);
        check(1, share);
        check(7, share);
    }
}

static void scores_without_an_order_are_refused(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -1.0f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const float scores[3] = {1.0f, bad[i], 2.0f};
        pare_global_threshold threshold;
        assert_int_equal(pare_global_threshold_new(&threshold), PARE_OK);
        pare_global_threshold_see(&threshold, scores, 3);
        assert_int_equal(pare_global_threshold_pass(&threshold, 0.5), PARE_NUMERIC_ERROR);
        pare_global_threshold_free(&threshold);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_threshold_equals_a_full_sort),
        cmocka_unit_test(scores_without_an_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
