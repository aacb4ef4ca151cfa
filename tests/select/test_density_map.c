/* Maps of matrices against closed forms, against the counting of masks' bits, and against chance. */
#include "select/density_map.h"
#include "select/element_masks.h"

static const double tolerance = 1e-9; /* sums of a few thousand numbers in fp64 */

static pare_density_map map_of(int64_t rows, int64_t columns, const float *values) {
    pare_density_map map;
    assert_int_equal(pare_density_map_new(rows, columns, &map), PARE_OK);
    for (int64_t i = rows; i-- > 0;) /* in any order */
        pare_density_map_add(&map, i, values + i * columns);
    pare_density_map_finish(&map);
    return map;
}

static void assert_near(double actual, double expected) {
    if (!(fabs(actual - expected) <= tolerance * fmax(1.0, fabs(expected))))
        fail_msg("%.15g instead of %.15g", actual, expected);
}

/* The left half of every row is kept: rows are all alike, columns are all or nothing. */
static void half_a_matrix(void **state) {
    enum { ROWS = 128, COLUMNS = 192 };
    (void)state;
    float *values = calloc(ROWS * COLUMNS, sizeof *values);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = i % COLUMNS < COLUMNS / 2;
    pare_density_map map = map_of(ROWS, COLUMNS, values);
    assert_near(map.mean, 0.5);
    assert_near(map.sd, 0.5);
    assert_int_equal(map.zeros, ROWS * COLUMNS / 2);
    assert_near(map.by_row.sd, 0.0);
    assert_near(map.by_row.expected_sd, sqrt(0.25 / COLUMNS));
    assert_near(map.by_row.chi_square, 0.0);
    assert_int_equal(map.by_row.degrees, ROWS - 1);
    assert_int_equal(map.by_row.empty, 0);
    assert_near(map.by_column.sd, 0.5);
    assert_near(map.by_column.chi_square, (double)ROWS * COLUMNS); /* each column is sqrt(ROWS) deviations off */
    assert_int_equal(map.by_column.empty, COLUMNS / 2);
    assert_int_equal(map.by_column.most, 0);
    assert_int_equal(map.by_column.least, COLUMNS / 2);
    /* Wilson and Hilferty's cube roots, of chi-square per degree: 0, and 24576 / 191. */
    double rows = 2.0 / (9.0 * (ROWS - 1)), columns = 2.0 / (9.0 * (COLUMNS - 1));
    assert_near(map.by_row.z, (rows - 1.0) / sqrt(rows));
    assert_near(map.by_column.z, (pow(24576.0 / 191.0, 1.0 / 3.0) - 1.0 + columns) / sqrt(columns));
    for (int64_t i = 0; i < 64 * 64; i++)
        assert_near((double)map.bins[i], i % 64 < 32 ? 1.0 : 0.0);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_near((double)map.every[i], (double)values[i]);
    pare_density_map_free(&map);
    free(values);
}

/* Value i + j over 3 x 5: means of rows are i + 2, of columns 1 + j. */
static void a_slope(void **state) {
    float values[15];
    (void)state;
    for (int i = 0; i < 15; i++)
        values[i] = (float)(i / 5 + i % 5);
    pare_density_map map = map_of(3, 5, values);
    assert_near(map.mean, 3.0);
    assert_near(map.sd, sqrt(2.0 / 3.0 + 2.0)); /* variances of 0 1 2 and of 0 1 2 3 4 */
    assert_near(map.largest, 6.0);
    for (int i = 0; i < 3; i++)
        assert_near(map.by_row.mean[i], i + 2);
    for (int j = 0; j < 5; j++)
        assert_near(map.by_column.mean[j], j + 1);
    assert_near(map.by_row.chi_square, 2.0 / ((2.0 / 3.0 + 2.0) / 5.0));
    assert_near(map.by_column.chi_square, 10.0 / ((2.0 / 3.0 + 2.0) / 3.0));
    assert_int_equal(map.bin_rows, 3);
    assert_int_equal(map.bin_columns, 5);
    pare_density_map_free(&map);
}

/* Tiles and stripes of a mask, whose bits are counted elsewhere; sizes that do not divide by 64. */
static void masks_are_counted_alike(void **state) {
    enum { ROWS = 100, COLUMNS = 517 };
    (void)state;
    pare_element_mask mask;
    pare_mask_statistics *s = malloc(sizeof *s);
    pare_random random = {.seed = 7};
    float *values = malloc(ROWS * COLUMNS * sizeof *values);
    assert_int_equal(pare_element_mask_new(ROWS, COLUMNS, &mask), PARE_OK);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        bool keep = pare_random_below(&random, 10) < 3 && i / COLUMNS != 50;
        values[i] = keep;
        pare_element_keep(&mask, i / COLUMNS, i % COLUMNS, keep);
    }
    pare_density_map map = map_of(ROWS, COLUMNS, values);
    pare_element_mask_statistics(&mask, s);
    assert_null(map.every); /* wider than 448 */
    assert_near(map.mean, s->density);
    assert_int_equal(map.by_row.empty, s->empty_rows);
    assert_int_equal(map.by_row.least, 50);
    assert_near(pow(map.by_row.sd / map.by_row.expected_sd, 2.0), s->row_stripes);
    assert_near(pow(map.by_column.sd / map.by_column.expected_sd, 2.0), s->column_stripes);
    for (int64_t i = 0; i < map.bin_rows * map.bin_columns; i++)
        assert_true(map.bins[i] == s->bins[i]);
    pare_density_map_free(&map);
    pare_element_mask_free(&mask);
    free(s);
    free(values);
}

/* Random weights lie within five deviations of chance, with or without an overall trend in their size. */
static void chance_is_within_bounds(void **state) {
    enum { ROWS = 300, COLUMNS = 200 };
    (void)state;
    float *values = malloc(ROWS * COLUMNS * sizeof *values);
    for (uint64_t seed = 0; seed < 4; seed++) {
        pare_random random = {.seed = seed};
        for (int64_t i = 0; i < ROWS * COLUMNS; i++)
            values[i] = seed % 2 ? (float)pare_random_below(&random, 1000) : (float)(pare_random_below(&random, 5) < 2);
        pare_density_map map = map_of(ROWS, COLUMNS, values);
        assert_true(fabs(map.by_row.z) < 5.0 && fabs(map.by_column.z) < 5.0);
        pare_density_map_free(&map);
    }
    free(values);
}

/* Nothing varies where all values are the same, however they round. */
static void the_same_everywhere(void **state) {
    (void)state;
    float values[70];
    for (int i = 0; i < 70; i++)
        values[i] = 0.1f;
    pare_density_map map = map_of(7, 10, values);
    assert_near(map.sd, 0.0);
    assert_near(map.by_row.z, 0.0);
    assert_near(map.by_column.chi_square, 0.0);
    pare_density_map_free(&map);
    map = map_of(1, 1, values);
    assert_near(map.mean, (double)0.1f);
    assert_near(map.by_row.z, 0.0);
    pare_density_map_free(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_matrix),           cmocka_unit_test(a_slope),
        cmocka_unit_test(masks_are_counted_alike), cmocka_unit_test(chance_is_within_bounds),
        cmocka_unit_test(the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
