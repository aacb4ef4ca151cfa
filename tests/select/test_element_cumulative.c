/* Wanda's variant against its definition by sorting (spec 2), and what it does where that cannot reach the target. */
#include "select/element_masks.h"

/* Pruned at `alpha`: sorted, a row loses all scores up to the largest whose cumulative sum is at most alpha t. */
static int64_t plain_at(const float *scores, int64_t rows, int64_t columns, double alpha, bool *gone) {
    int64_t count = 0;
    ranked *list = malloc((size_t)columns * sizeof *list);
    for (int64_t row = 0; row < rows; row++) {
        const float *x = scores + row * columns;
        double total = 0.0, sum = 0.0, bound = -1.0;
        for (int64_t i = 0; i < columns; i++) {
            list[i] = (ranked){x[i], i};
            total += (double)x[i];
        }
        qsort(list, (size_t)columns, sizeof *list, by_score);
        for (int64_t i = 0; i < columns; i++) {
            sum += (double)list[i].score;
            if (sum <= alpha * total) bound = (double)list[i].score;
        }
        for (int64_t i = 0; i < columns; i++)
            count += gone[row * columns + i] = (double)x[i] <= bound;
    }
    free(list);
    return count;
}

static bool *plain_variant(const float *scores, int64_t rows, int64_t columns, double sparsity) {
    bool *gone = calloc((size_t)(rows * columns), 1);
    double low = 0.0, high = 0.8, alpha = 0.4, all = (double)(rows * columns);
    double share = (double)plain_at(scores, rows, columns, alpha, gone) / all;
    while (fabs(share - sparsity) > 0.001 && high - low >= 0.001) {
        if (share > sparsity)
            high = alpha;
        else
            low = alpha;
        alpha = (low + high) / 2.0;
        share = (double)plain_at(scores, rows, columns, alpha, gone) / all;
    }
    return gone;
}

static void select_variant(const float *scores, double sparsity, pare_element_mask *mask) {
    pare_element_target target = {.sparsity = sparsity, .compare = PARE_COMPARE_CUMULATIVE};
    assert_int_equal(pare_element_select(scores, &target, mask), PARE_OK);
}

static void masks_equal_the_definition(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 1}, {1, 9}, {9, 1}, {5, 66}, {40, 300}};
    static const uint32_t levels[] = {0, 1, 5};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++)
            for (int tenths = 2; tenths <= 7; tenths++) {
                int64_t rows = shapes[i][0], columns = shapes[i][1];
                pare_element_mask mask;
                float *scores = random_scores(rows * columns, levels[j], 11 * i + j);
                if (j == 2) memset(scores, 0, (size_t)columns * sizeof *scores); /* a row of zeros goes as a whole */
                bool *gone = plain_variant(scores, rows, columns, tenths / 10.0);
                assert_int_equal(pare_element_mask_new(rows, columns, &mask), PARE_OK);
                select_variant(scores, tenths / 10.0, &mask);
                assert_mask("variant", &mask, gone);
                pare_element_mask_free(&mask);
                free(scores);
                free(gone);
            }
}

/* Equal rows of scores 1 .. 100: a share of 0.98 needs more than 0.8 of the sum. */
static void targets_beyond_the_published_bound_are_reached(void **state) {
    (void)state;
    static const double sparsities[] = {0.0, 0.1, 0.5, 0.98, 1.0};
    float *scores = malloc(4 * 1000 * sizeof *scores);
    pare_element_mask mask;
    for (int i = 0; i < 4000; i++)
        scores[i] = (float)(1 + i % 1000);
    assert_int_equal(pare_element_mask_new(4, 1000, &mask), PARE_OK);
    for (size_t i = 0; i < 5; i++) {
        select_variant(scores, sparsities[i], &mask);
        double gone = 1.0 - (double)pare_element_mask_kept(&mask) / 4000.0;
        assert_true(fabs(gone - sparsities[i]) <= (i % 4 ? 0.00101 : 0.0));
    }
    pare_element_mask_free(&mask);
    free(scores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_equal_the_definition),
        cmocka_unit_test(targets_beyond_the_published_bound_are_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
