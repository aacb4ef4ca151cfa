/* Scores of whole matrices against the oracle's: for every salience, with rows and columns of zeros and inputs of
 * zeros; every stored type, any number of threads; and what is refused. */
#include "counted.h"
#include "golden.h"
#include "importance/salience.h"

#include <omp.h>

enum { ROWS = 23, COLUMNS = 1037, COUNT = ROWS * COLUMNS };

typedef struct problem {
    int64_t rows, columns;
    float *weight, *gradient, *squares, *inputs, *outputs, *inverse;
} problem;

/* Row 2, column 5 and input 9 are zeros. */
static problem problem_new(int64_t rows, int64_t columns) {
    problem p = {.rows = rows,
                 .columns = columns,
                 .weight = counted_numbers(0, (uint64_t)(rows * columns), false),
                 .gradient = counted_numbers(1, (uint64_t)(rows * columns), false),
                 .squares = counted_numbers(2, (uint64_t)(rows * columns), true),
                 .inputs = counted_numbers(3, (uint64_t)columns, true),
                 .outputs = counted_numbers(4, (uint64_t)rows, true),
                 .inverse = counted_numbers(5, (uint64_t)columns, true)};
    for (int64_t i = 0; i < rows * columns; i++)
        if (i / columns == 2 || i % columns == 5) p.weight[i] = 0.0f;
    if (columns > 9) p.inputs[9] = 0.0f;
    return p;
}

static void problem_free(problem *p) {
    float *all[] = {p->weight, p->gradient, p->squares, p->inputs, p->outputs, p->inverse};
    for (int i = 0; i < 6; i++)
        free(all[i]);
}

static pare_salience_matrix matrix_of(const problem *p, const pare_salience_constants *constants) {
    return (pare_salience_matrix){.rows = p->rows,
                                  .columns = p->columns,
                                  .weight = p->weight,
                                  .inputs = p->inputs,
                                  .outputs = p->outputs,
                                  .inverse = p->inverse,
                                  .gradient = p->gradient,
                                  .tensor = 4,
                                  .constants = constants};
}

static float *scores_of(const pare_salience *salience, const problem *p, const pare_salience_constants *constants) {
    pare_salience_matrix matrix = matrix_of(p, constants);
    float *scores = malloc((size_t)(p->rows * p->columns) * sizeof *scores);
    pare_status status = pare_salience_scores(salience, &matrix, p->squares, scores);
    if (status) fprintf(stderr, "%s: %s\n", salience->name, pare_message());
    assert_int_equal(status, PARE_OK);
    return scores;
}

/* The oracle's values. */
static json_t *golden;

static int open_golden(void **state) {
    (void)state;
    golden = load_json(IMPORTANCE_GOLDEN);
    return 0;
}

static int close_golden(void **state) {
    (void)state;
    json_decref(golden);
    return 0;
}

static double number(const json_t *list, int64_t index) {
    return json_number_value(json_array_get(list, (size_t)index));
}

/* The members that a case names, over the published ones. */
static pare_salience_constants constants_of_case(const json_t *given, pare_salience_constants c) {
    const json_t *alpha = json_object_get(given, "alpha"), *exponent = json_object_get(given, "exponent");
    const json_t *order = json_object_get(given, "order"), *balance = json_object_get(given, "balance");
    if (alpha) c.alpha = json_number_value(alpha);
    if (exponent) c.exponent = json_number_value(exponent);
    if (order) c.order = json_is_string(order) ? INFINITY : json_number_value(order);
    if (balance) c.balance = json_number_value(balance);
    c.squared = json_is_true(json_object_get(given, "squared"));
    return c;
}

static void assert_number(const char *name, const char *what, int64_t index, double got, double expected) {
    if (!(fabs(got - expected) <= 2e-6 * expected + 1e-9))
        fail_msg("%s, %s %d: %.9g, expected %.9g", name, what, (int)index, got, expected);
}

/* Single elements of some columns; every element in the sum of its row and in that of its column and those a multiple
 * of `residues` away. 2e-6: a handful of roundings to single precision; the power of an input has one. */
static void check_scores(const char *name, const json_t *expected, const json_t *columns, const float *scores) {
    int64_t picked = (int64_t)json_array_size(columns);
    const json_t *single = json_object_get(expected, "picked"), *residues = json_object_get(expected, "residues");
    double rows[ROWS] = {0.0}, sums[COLUMNS] = {0.0};
    int64_t step = (int64_t)json_array_size(residues);
    assert_int_equal(json_array_size(single), ROWS * picked);
    assert_int_equal(json_array_size(json_object_get(expected, "rows")), ROWS);
    assert_true(step > 1 && step < COLUMNS);
    for (int64_t i = 0; i < ROWS * picked; i++) {
        int64_t column = json_integer_value(json_array_get(columns, (size_t)(i % picked)));
        assert_number(name, "picked", i, (double)scores[i / picked * COLUMNS + column], number(single, i));
    }
    for (int64_t i = 0; i < COUNT; i++) {
        rows[i / COLUMNS] += (double)scores[i];
        sums[i % COLUMNS % step] += (double)scores[i];
    }
    for (int64_t i = 0; i < ROWS; i++)
        assert_number(name, "row", i, rows[i], number(json_object_get(expected, "rows"), i));
    for (int64_t i = 0; i < step; i++)
        assert_number(name, "columns from", i, sums[i], number(residues, i));
}

/* Every salience with its published constants, and with those that a case names. */
static void scores_equal_the_oracle(void **state) {
    (void)state;
    const json_t *matrix = json_object_get(golden, "matrix"), *cases = json_object_get(matrix, "cases"), *one;
    size_t index, published = 0;
    problem p = problem_new(ROWS, COLUMNS);
    assert_int_equal(json_integer_value(json_object_get(matrix, "rows")), ROWS);
    assert_int_equal(json_integer_value(json_object_get(matrix, "columns")), COLUMNS);
    json_array_foreach(cases, index, one) {
        const char *name = json_string_value(json_object_get(one, "salience"));
        const json_t *given = json_object_get(one, "constants");
        const pare_salience *salience = pare_salience_find(name);
        assert_non_null(salience);
        pare_salience_constants c = constants_of_case(given, salience->constants);
        float *scores = scores_of(salience, &p, given ? &c : NULL);
        check_scores(name, one, json_object_get(matrix, "columns_picked"), scores);
        published += !given;
        free(scores);
    }
    size_t names = 0;
    while (pare_salience_name(names))
        names++;
    assert_int_equal(published, names - 1); /* all but stochria, which draws */
    problem_free(&p);
}

static void assert_same(const float *a, const float *b, int64_t count) {
    assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

/* Symmetric Pruning's families meet: p = 1, and a share of all. */
static void relatives_of_ria_equal_it(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{ROWS, COLUMNS}, {64, 64}, {1, 30}, {30, 1}};
    const pare_salience_constants c = {.exponent = 0.7, .order = 1.0, .share = 1.0, .seed = 3};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        problem p = problem_new(shapes[i][0], shapes[i][1]);
        float *ria = scores_of(&pare_salience_ria, &p, &c), *lp = scores_of(&pare_salience_lp, &p, &c);
        float *drawn = scores_of(&pare_salience_stochria, &p, &c);
        assert_same(ria, lp, p.rows * p.columns);
        assert_same(ria, drawn, p.rows * p.columns);
        free(ria);
        free(lp);
        free(drawn);
        problem_free(&p);
    }
}

/* The draws depend on nothing but seed, tensor and line; without replacement, n equal weights have the sum of all
 * however few are drawn; a line whose drawn weights are 0 falls back to its whole sum. */
static void draws_are_without_replacement(void **state) {
    (void)state;
    problem p = problem_new(64, 64);
    p.inputs[9] = 1.0f;
    for (int share = 2; share < 100; share += 16) {
        pare_salience_constants c = {.exponent = 1.0, .share = share / 100.0, .seed = 5};
        for (int64_t i = 0; i < 64 * 64; i++)
            p.weight[i] = i % 2 ? 0.25f : -0.25f;
        float *ria = scores_of(&pare_salience_ria, &p, &c), *drawn = scores_of(&pare_salience_stochria, &p, &c);
        for (int64_t i = 0; i < 64 * 64; i++)
            assert_close("equal weights", (double)drawn[i], (double)ria[i], 1e-6);
        free(ria);
        free(drawn);
        memset(p.weight, 0, 64 * 64 * sizeof *p.weight);
        p.weight[7 * 64 + 30] = 2.0f; /* relative importance 2 where it is not drawn, less where it is */
        drawn = scores_of(&pare_salience_stochria, &p, &c);
        for (int64_t i = 0; i < 64 * 64; i++)
            assert_true(i == 7 * 64 + 30 ? drawn[i] > 0.0f : drawn[i] == 0.0f);
        free(drawn);
    }
    problem_free(&p);
}

enum { DRAW_ROWS = 3, DRAW_COLUMNS = 4, DRAW_SEEDS = 3000 };

/* Which of the sets that the row and the column may have drawn gives this score; -1: none. */
static int set_of(const json_t *expected, double score) {
    for (size_t i = 0; i < json_array_size(expected); i++)
        if (fabs(number(expected, (int64_t)i) - score) <= 2e-6 * score) return (int)i;
    return -1;
}

/* All scores of one seed agree on what each row and each column has drawn, which is counted. */
static void count_sets(const json_t *scores, const float *got, int column_sets, int rows[][6], int columns[][3]) {
    int drawn[DRAW_ROWS + DRAW_COLUMNS];
    for (int i = 0; i < DRAW_ROWS * DRAW_COLUMNS; i++) {
        int set = set_of(json_array_get(scores, (size_t)i), (double)got[i]);
        int row = i / DRAW_COLUMNS, column = i % DRAW_COLUMNS;
        assert_true(set >= 0);
        if (column == 0) drawn[row] = set / column_sets;
        if (row == 0) drawn[DRAW_ROWS + column] = set % column_sets;
        assert_int_equal(set / column_sets, drawn[row]);
        assert_int_equal(set % column_sets, drawn[DRAW_ROWS + column]);
    }
    for (int i = 0; i < DRAW_ROWS; i++)
        rows[i][drawn[i]]++;
    for (int i = 0; i < DRAW_COLUMNS; i++)
        columns[i][drawn[DRAW_ROWS + i]]++;
}

static void assert_fair(const int *counts, int sets) {
    double mean = (double)DRAW_SEEDS / sets, deviation = sqrt(mean * (1.0 - 1.0 / sets));
    for (int i = 0; i < sets; i++)
        assert_true(fabs(counts[i] - mean) < 5.0 * deviation);
}

/* Two weights of every line: over many seeds each set is drawn as often as any other. */
static void draws_are_those_of_the_oracle_and_fair(void **state) {
    (void)state;
    const json_t *draws = json_object_get(golden, "draws");
    const pare_salience *salience = &pare_salience_stochria;
    int rows[DRAW_ROWS][6] = {{0}}, columns[DRAW_COLUMNS][3] = {{0}};
    assert_int_equal(json_integer_value(json_object_get(draws, "row_sets")), 6);
    assert_int_equal(json_integer_value(json_object_get(draws, "column_sets")), 3);
    float *weight = counted_numbers(16, DRAW_ROWS * DRAW_COLUMNS, false), scores[DRAW_ROWS * DRAW_COLUMNS];
    float *inputs = counted_numbers(17, DRAW_COLUMNS, true);
    for (uint64_t seed = 0; seed < DRAW_SEEDS; seed++) {
        pare_salience_constants c = {.exponent = 1.0, .share = 2.0 / 3.0, .seed = seed};
        pare_salience_matrix matrix = {
            .rows = DRAW_ROWS, .columns = DRAW_COLUMNS, .weight = weight, .inputs = inputs, .constants = &c};
        assert_int_equal(pare_salience_scores(salience, &matrix, NULL, scores), PARE_OK);
        count_sets(json_object_get(draws, "scores"), scores, 3, rows, columns);
    }
    for (int i = 0; i < DRAW_ROWS; i++)
        assert_fair(rows[i], 6);
    for (int i = 0; i < DRAW_COLUMNS; i++)
        assert_fair(columns[i], 3);
    free(weight);
    free(inputs);
}

static void seeds_and_tensors_matter(void **state) {
    (void)state;
    problem p = problem_new(ROWS, COLUMNS);
    pare_salience_constants c = {.exponent = 1.0, .share = 0.3, .seed = 5};
    float *a = scores_of(&pare_salience_stochria, &p, &c), *b = scores_of(&pare_salience_stochria, &p, &c);
    assert_same(a, b, COUNT);
    c.seed = 6;
    free(b);
    b = scores_of(&pare_salience_stochria, &p, &c);
    assert_memory_not_equal(a, b, COUNT * sizeof *a);
    c.seed = 5;
    pare_salience_matrix matrix = matrix_of(&p, &c);
    matrix.tensor++;
    assert_int_equal(pare_salience_scores(&pare_salience_stochria, &matrix, NULL, b), PARE_OK);
    assert_memory_not_equal(a, b, COUNT * sizeof *a);
    free(a);
    free(b);
    problem_free(&p);
}

static void stored_types_do_not_matter(void **state) {
    (void)state;
    problem p = problem_new(ROWS, COLUMNS);
    char *stored = malloc(COUNT * 4 + 1);
    float *other = malloc(COUNT * sizeof *other);
    for (int dtype = PARE_DTYPE_F32; dtype <= PARE_DTYPE_BF16; dtype++) {
        pare_from_float(stored + 1, (pare_dtype)dtype, p.weight, COUNT);
        pare_to_float(p.weight, stored + 1, (pare_dtype)dtype, COUNT);
        for (size_t i = 0; pare_salience_name(i); i++) {
            const pare_salience *salience = pare_salience_find(pare_salience_name(i));
            float *scores = scores_of(salience, &p, NULL);
            pare_salience_matrix matrix = matrix_of(&p, NULL);
            matrix.weight = stored + 1;
            matrix.dtype = (pare_dtype)dtype;
            assert_int_equal(pare_salience_scores(salience, &matrix, p.squares, other), PARE_OK);
            assert_same(scores, other, COUNT);
            free(scores);
        }
    }
    free(stored);
    free(other);
    problem_free(&p);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    int before = omp_get_max_threads();
    problem p = problem_new(67, 1100);
    for (size_t i = 0; pare_salience_name(i); i++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(i));
        omp_set_num_threads(1);
        float *one = scores_of(salience, &p, NULL);
        omp_set_num_threads(3);
        float *more = scores_of(salience, &p, NULL);
        assert_same(one, more, p.rows * p.columns);
        for (int64_t j = 0; j < p.rows * p.columns; j++)
            assert_true(one[j] >= 0.0f);
        free(one);
        free(more);
    }
    omp_set_num_threads(before);
    problem_free(&p);
}

/* All weights, inputs, outputs and gradients zero: all scores zero. */
static void zeros_have_no_importance(void **state) {
    (void)state;
    problem p = problem_new(12, 34);
    memset(p.weight, 0, 12 * 34 * sizeof *p.weight);
    memset(p.gradient, 0, 12 * 34 * sizeof *p.gradient);
    memset(p.inputs, 0, 34 * sizeof *p.inputs);
    memset(p.outputs, 0, 12 * sizeof *p.outputs);
    for (size_t i = 0; pare_salience_name(i); i++) {
        float *scores = scores_of(pare_salience_find(pare_salience_name(i)), &p, NULL);
        for (int64_t j = 0; j < 12 * 34; j++)
            assert_true(scores[j] == 0.0f);
        free(scores);
    }
    problem_free(&p);
}

static void what_is_not_finite_is_refused(void **state) {
    (void)state;
    problem p = problem_new(ROWS, COLUMNS);
    pare_salience_matrix matrix = matrix_of(&p, NULL);
    float *scores = malloc(COUNT * sizeof *scores);
    for (int bad = 0; bad < 2; bad++) {
        p.weight[3 * COLUMNS + 1030] = bad ? INFINITY : NAN;
        for (size_t i = 0; pare_salience_name(i); i++) {
            const pare_salience *salience = pare_salience_find(pare_salience_name(i));
            assert_int_equal(pare_salience_scores(salience, &matrix, p.squares, scores), PARE_NUMERIC_ERROR);
            assert_non_null(strstr(pare_message(), salience->name));
        }
    }
    assert_int_equal(pare_salience_scores(&pare_salience_ria, &matrix, p.squares, scores), PARE_NUMERIC_ERROR);
    assert_int_equal(pare_salience_scores(&pare_salience_absolute, &matrix, p.squares, scores), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "row 3, column 1030"));
    free(scores);
    problem_free(&p);
}

static void missing_signals_and_senseless_constants_are_refused(void **state) {
    (void)state;
    problem p = problem_new(ROWS, COLUMNS);
    pare_salience_matrix empty = {.rows = ROWS, .columns = COLUMNS, .weight = p.weight};
    float *scores = malloc(COUNT * sizeof *scores);
    for (size_t i = 0; pare_salience_name(i); i++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(i));
        assert_int_equal(pare_salience_scores(salience, &empty, NULL, scores),
                         salience->needs ? PARE_BAD_ARGUMENT : PARE_OK);
    }
    static const struct {
        const char *name;
        pare_salience_constants constants;
    } wrong[] = {{"lp", {.order = -1.0}},      {"lp", {.order = NAN}},        {"lp", {.order = 65.0}},
                 {"ria", {.exponent = -1.0}},  {"ria", {.exponent = NAN}},    {"stochria", {.share = 0.0}},
                 {"stochria", {.share = 1.1}}, {"symwanda", {.balance = -1}}, {"symmetric", {.order = -2.0}}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pare_salience_matrix matrix = matrix_of(&p, &wrong[i].constants);
        assert_int_equal(pare_salience_scores(pare_salience_find(wrong[i].name), &matrix, NULL, scores),
                         PARE_BAD_ARGUMENT);
    }
    free(scores);
    problem_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_the_oracle),
        cmocka_unit_test(relatives_of_ria_equal_it),
        cmocka_unit_test(draws_are_without_replacement),
        cmocka_unit_test(draws_are_those_of_the_oracle_and_fair),
        cmocka_unit_test(seeds_and_tensors_matter),
        cmocka_unit_test(stored_types_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(zeros_have_no_importance),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(missing_signals_and_senseless_constants_are_refused),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
