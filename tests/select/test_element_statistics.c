/* What is said of a mask, against counting weight by weight; and stripes where there are some. */
#include "select/element_masks.h"

static void count_lines(const pare_element_mask *mask, bool rows, double density, int64_t *empty, double *variance) {
    int64_t lines = rows ? mask->rows : mask->columns, length = rows ? mask->columns : mask->rows;
    double squares = 0.0;
    *empty = 0;
    for (int64_t i = 0; i < lines; i++) {
        int64_t kept = 0;
        for (int64_t j = 0; j < length; j++)
            kept += rows ? pare_element_kept(mask, i, j) : pare_element_kept(mask, j, i);
        *empty += kept == 0;
        squares += pow((double)kept / (double)length - density, 2.0);
    }
    *variance = squares / (double)lines;
}

static void check_bins(const pare_element_mask *mask, const pare_mask_statistics *s) {
    assert_int_equal(s->bin_rows, mask->rows < 64 ? mask->rows : 64);
    assert_int_equal(s->bin_columns, mask->columns < 64 ? mask->columns : 64);
    for (int64_t i = 0; i < s->bin_rows; i++)
        for (int64_t j = 0; j < s->bin_columns; j++) {
            int64_t kept = 0, area = 0;
            for (int64_t row = i * mask->rows / s->bin_rows; row < (i + 1) * mask->rows / s->bin_rows; row++)
                for (int64_t column = j * mask->columns / s->bin_columns;
                     column < (j + 1) * mask->columns / s->bin_columns; column++, area++)
                    kept += pare_element_kept(mask, row, column);
            assert_true(fabs((double)s->bins[i * s->bin_columns + j] - (double)kept / (double)area) < 1e-6);
        }
}

static void check(const pare_element_mask *mask) {
    pare_mask_statistics *s = malloc(sizeof *s);
    int64_t kept = pare_element_mask_kept(mask), empty;
    double density = (double)kept / (double)(mask->rows * mask->columns), spread = density * (1.0 - density), variance;
    pare_element_mask_statistics(mask, s);
    assert_true(fabs(s->density - density) < 1e-12);
    count_lines(mask, true, density, &empty, &variance);
    assert_int_equal(s->empty_rows, empty);
    assert_true(fabs(s->row_stripes * spread / (double)mask->columns - variance) < 1e-12);
    count_lines(mask, false, density, &empty, &variance);
    assert_int_equal(s->empty_columns, empty);
    assert_true(fabs(s->column_stripes * spread / (double)mask->rows - variance) < 1e-12);
    check_bins(mask, s);
    free(s);
}

static pare_element_mask random_mask(int64_t rows, int64_t columns, double density, uint64_t seed) {
    pare_element_mask mask;
    pare_random random = {.seed = seed};
    assert_int_equal(pare_element_mask_new(rows, columns, &mask), PARE_OK);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++)
            pare_element_keep(&mask, row, column, pare_random_uniform(&random) < density);
    return mask;
}

static void numbers_equal_plain_counts(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 1}, {1, 200}, {200, 1}, {63, 65}, {64, 64}, {70, 130}, {300, 129}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int tenths = 0; tenths <= 10; tenths += 2) {
            pare_element_mask mask = random_mask(shapes[i][0], shapes[i][1], tenths / 10.0, i);
            check(&mask);
            pare_element_mask_free(&mask);
        }
}

/* Independent weights show no stripes: about 1, with a deviation of sqrt(2 / lines). Two of three columns wholly pruned
 * show nothing else, as many as there are rows. */
static void stripes_are_seen(void **state) {
    (void)state;
    pare_mask_statistics *s = malloc(sizeof *s);
    pare_element_mask mask = random_mask(600, 500, 0.4, 1);
    pare_element_mask_statistics(&mask, s);
    assert_true(fabs(s->row_stripes - 1.0) < 4.0 * sqrt(2.0 / 600.0));
    assert_true(fabs(s->column_stripes - 1.0) < 4.0 * sqrt(2.0 / 500.0));
    for (int64_t row = 0; row < 600; row++)
        for (int64_t column = 0; column < 500; column++)
            pare_element_keep(&mask, row, column, column % 3 == 0);
    pare_element_mask_statistics(&mask, s);
    assert_int_equal(s->empty_columns, 333);
    assert_true(fabs(s->column_stripes - 600.0) < 1e-6);
    assert_true(s->row_stripes < 1e-20);
    pare_element_mask_free(&mask);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_equal_plain_counts),
        cmocka_unit_test(stripes_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
