/* Products of low rank for what matrices have lost: against EoRA as published (tests/oracle/low_rank.py), where the
 * Gram matrix has zero eigenvalues, too; and that nothing beside them is nearer. */
#include "element_vectors.h"
#include "repair/layer_error.h"
#include "repair/low_rank.h"
#include "support/memory.h"

#include <jansson.h>

enum { MOST = 14 * 14 };

static void read_list(const json_t *list, float *out) {
    for (size_t i = 0; i < json_array_size(list); i++)
        out[i] = (float)json_number_value(json_array_get(list, i));
}

static int64_t whole(const json_t *object, const char *key) {
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static void multiply(const pare_residual_problem *p, float *out) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            double sum = 0.0;
            for (int64_t k = 0; k < p->rank; k++)
                sum += (double)p->b[i * p->rank + k] * (double)p->a[k * p->columns + j];
            out[i * p->columns + j] = (float)sum;
        }
}

static double distance(const pare_residual_problem *p, const float *from, const float *to) {
    double error;
    assert_int_equal(pare_layer_error(from, to, p->gram, p->rows, p->columns, &error, NULL), PARE_OK);
    return error;
}

/* Small steps from the product, in any direction, leave more. */
static void expect_nothing_nearer(pare_residual_problem *p, double least) {
    pare_random random = {.seed = 5};
    float product[MOST];
    for (int trial = 0; trial < 40; trial++) {
        float *factor = trial & 1 ? p->a : p->b;
        int64_t count = p->rank * (trial & 1 ? p->columns : p->rows);
        int64_t at = (int64_t)pare_random_below(&random, (uint64_t)count);
        float kept = factor[at];
        factor[at] += (trial & 2 ? 0.05f : -0.05f);
        multiply(p, product);
        assert_true(distance(p, p->residual, product) > least * (1.0 - 1e-6));
        factor[at] = kept;
    }
}

/* fp32 products: 1e-5 of the energy is room for their rounding. */
static void check_rank(const json_t *of, const float *lost, const float *gram, const json_t *expected) {
    float a[MOST], b[MOST], product[MOST], published[MOST];
    pare_residual_problem p = {.residual = lost,
                               .gram = gram,
                               .rows = whole(of, "rows"),
                               .columns = whole(of, "columns"),
                               .rank = whole(expected, "rank"),
                               .a = a,
                               .b = b};
    double before = number(of, "before"), after = number(expected, "after");
    assert_int_equal(pare_low_rank_fit(&p), PARE_OK);
    read_list(json_object_get(expected, "product"), published);
    multiply(&p, product);
    assert_close("energy", p.before, before, 1e-5);
    assert_true(fabs(p.after - after) <= 1e-5 * before);
    assert_true(fabs(distance(&p, lost, product) - after) <= 1e-5 * before);
    assert_true(distance(&p, published, product) <= 1e-5 * before);
    expect_nothing_nearer(&p, after);
}

static void products_are_those_published(void **state) {
    (void)state;
    json_t *cases = load_json(PARE_SOURCE_DIR "/tests/data/low_rank.json"), *of, *expected;
    size_t i, j;
    json_array_foreach(cases, i, of) {
        float lost[MOST], gram[MOST];
        read_list(json_object_get(of, "lost"), lost);
        read_list(json_object_get(of, "gram"), gram);
        json_array_foreach(json_object_get(of, "ranks"), j, expected) {
            check_rank(of, lost, gram, expected);
        }
    }
    assert_int_equal(json_array_size(cases), 3);
    json_decref(cases);
}

/* With as much rank as the matrix has, nothing is lost; more is filled up with zeros; the upper triangle of the Gram
 * matrix is not read. */
static void full_rank_gives_all_back(void **state) {
    (void)state;
    enum { TOKENS = 60, SPARE = 3 };
    static const int64_t shapes[][2] = {{40, 30}, {30, 40}, {1, 9}, {9, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t rows = shapes[s][0], columns = shapes[s][1], side = rows < columns ? rows : columns;
        int64_t rank = side + SPARE;
        float *weights, *gram, *x, *a = calloc((size_t)(rank * columns), sizeof *a);
        float *b = calloc((size_t)(rows * rank), sizeof *b),
              *product = calloc((size_t)(rows * columns), sizeof *product);
        random_layer(rows, columns, TOKENS, 3, 4, &weights, &gram, &x);
        for (int64_t i = 0; i < columns; i++)
            for (int64_t j = i + 1; j < columns; j++)
                gram[i * columns + j] = NAN;
        uint64_t held = pare_memory_current();
        pare_residual_problem p = {
            .residual = weights, .gram = gram, .rows = rows, .columns = columns, .rank = rank, .a = a, .b = b};
        assert_int_equal(pare_low_rank_fit(&p), PARE_OK);
        assert_int_equal(pare_memory_current(), held);
        multiply(&p, product);
        assert_true(p.before > 0.0 && p.after <= 2e-5 * p.before);
        if (rows <= columns)
            for (int64_t i = 0; i < rows * columns; i++)
                assert_true(fabsf(product[i] - weights[i]) <= 1e-4f);
        for (int64_t i = 0; i < columns; i++)
            assert_true(a[(rank - 1) * columns + i] == 0.0f);
        for (int64_t i = 0; i < rows; i++)
            assert_true(b[i * rank + rank - 1] == 0.0f);
        free(weights);
        free(gram);
        free(x);
        free(a);
        free(b);
        free(product);
    }
}

static void what_is_not_finite_is_refused(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{2, 3}, {3, 2}};
    for (size_t s = 0; s < 2; s++) {
        float lost[6] = {1, 2, 3, 4, 5, 6}, gram[9] = {1, 0, 0, 0, NAN, 0, 0, 0, 1}, a[3], b[3];
        pare_residual_problem p = {
            .residual = lost, .gram = gram, .rows = shapes[s][0], .columns = shapes[s][1], .rank = 1, .a = a, .b = b};
        if (s) gram[3] = NAN;
        assert_int_equal(pare_low_rank_fit(&p), PARE_NUMERIC_ERROR);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_published),
        cmocka_unit_test(full_rank_gives_all_back),
        cmocka_unit_test(what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests_name("low rank", tests, NULL, NULL);
}
