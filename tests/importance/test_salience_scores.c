/* Scores of whole matrices against plain loops in double: for every salience and stored type, with rows and columns of
 * zeros, inputs of zeros, any number of threads; and what is refused. */
#include "golden.h"
#include "importance/salience.h"
#include "support/random.h"

#include <omp.h>

enum { ROWS = 23, COLUMNS = 1037, COUNT = ROWS * COLUMNS };

typedef struct problem {
    int64_t rows, columns;
    float *weight, *gradient, *squares, *inputs, *outputs, *inverse;
} problem;

static float *normals(int64_t count, uint64_t tensor, bool positive) {
    float *x = malloc((size_t)count * sizeof *x);
    pare_normal_fill(x, 7, 0, tensor, 0, (size_t)count);
    for (int64_t i = 0; i < count && positive; i++)
        x[i] = fabsf(x[i]) + 0.01f;
    return x;
}

/* Row 2, column 5 and input 9 are zeros. */
static problem problem_new(int64_t rows, int64_t columns) {
    problem p = {.rows = rows,
                 .columns = columns,
                 .weight = normals(rows * columns, 0, false),
                 .gradient = normals(rows * columns, 1, false),
                 .squares = normals(rows * columns, 2, true),
                 .inputs = normals(columns, 3, true),
                 .outputs = normals(rows, 4, true),
                 .inverse = normals(columns, 5, true)};
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

static double norm(const problem *p, bool by_column, int64_t index, double order) {
    double sum = 0.0;
    for (int64_t i = 0; i < (by_column ? p->rows : p->columns); i++) {
        double w = fabs((double)p->weight[by_column ? i * p->columns + index : index * p->columns + i]);
        sum = isinf(order) ? fmax(sum, w) : sum + (order == 0.0 ? w != 0.0 : pow(w, order));
    }
    return order == 0.0 || isinf(order) ? sum : pow(sum, 1.0 / order);
}

static double mean(const float *x, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / (double)n;
}

static double reciprocal(double x) {
    return x == 0.0 ? 0.0 : 1.0 / x;
}

/* Every norm that a formula may name, of the matrix as a whole. */
typedef struct norms {
    double row[ROWS], column[COLUMNS], least, most, inputs, outputs;
} norms;

static norms *norms_of(const problem *p, double order) {
    norms *all = calloc(1, sizeof *all);
    all->least = INFINITY;
    for (int64_t i = 0; i < p->rows; i++)
        all->row[i] = norm(p, false, i, order);
    for (int64_t i = 0; i < p->columns; i++)
        all->column[i] = norm(p, true, i, order);
    for (int64_t i = 0; i < p->rows * p->columns; i++) {
        all->least = fmin(all->least, fabs((double)p->gradient[i]));
        all->most = fmax(all->most, fabs((double)p->gradient[i]));
    }
    all->inputs = mean(p->inputs, p->columns);
    all->outputs = mean(p->outputs, p->rows);
    return all;
}

static double plain(const char *name, const problem *p, const norms *n, const pare_salience_constants *c, int64_t row,
                    int64_t column) {
    int64_t at = row * p->columns + column;
    double w = fabs((double)p->weight[at]), g = fabs((double)p->gradient[at]), x = (double)p->inputs[column];
    double y = (double)p->outputs[row], u = (double)p->inverse[column];
    double relative = w * (reciprocal(n->column[column]) + reciprocal(n->row[row]));
    double xn = x / n->inputs, yn = y / n->outputs;
    if (strcmp(name, "obs") == 0) return w * w / (u * u);
    if (strcmp(name, "gblm") == 0) return w * x + c->alpha * w * g;
    if (strcmp(name, "gradient") == 0) return w * g;
    if (strcmp(name, "pruner-zero") == 0) return w * w * (g - n->least) / (n->most - n->least);
    if (strcmp(name, "ri") == 0) return relative;
    if (strcmp(name, "ria") == 0 || strcmp(name, "lp") == 0) return relative * pow(x, c->exponent);
    if (strcmp(name, "owanda") == 0) return w * y;
    if (strcmp(name, "symwanda") == 0)
        return w * (c->squared ? sqrt(xn * xn + c->balance * yn * yn) : xn + c->balance * yn);
    assert_string_equal(name, "symmetric");
    double r = n->row[row], s = n->column[column];
    return w * (c->squared ? sqrt(r * r + s * s) : r + s);
}

/* 2e-6: a handful of roundings to single precision; the power of an input has one. */
static void check(const char *name, const pare_salience_constants *constants) {
    const pare_salience *salience = pare_salience_find(name);
    assert_non_null(salience);
    problem p = problem_new(ROWS, COLUMNS);
    const pare_salience_constants *c = constants ? constants : &salience->constants;
    bool by_order = strcmp(name, "lp") == 0 || strcmp(name, "symmetric") == 0;
    norms *n = norms_of(&p, by_order ? c->order : 1.0);
    float *scores = scores_of(salience, &p, constants);
    for (int64_t i = 0; i < COUNT; i++) {
        double expected = plain(name, &p, n, c, i / COLUMNS, i % COLUMNS), got = (double)scores[i];
        if (!(fabs(got - expected) <= 2e-6 * expected + 1e-9))
            fail_msg("%s [%d, %d]: %.9g, expected %.9g", name, (int)(i / COLUMNS), (int)(i % COLUMNS), got, expected);
    }
    problem_free(&p);
    free(n);
    free(scores);
}

static void scores_equal_a_plain_loop(void **state) {
    (void)state;
    static const char *const names[] = {"obs", "gblm", "gradient", "pruner-zero", "ri",
                                        "ria", "lp",   "owanda",   "symwanda",    "symmetric"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check(names[i], NULL);
}

static void constants_are_read(void **state) {
    (void)state;
    static const double orders[] = {0.0, 1.0, 1.5, 2.0, 3.0, INFINITY};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        check("lp", &(pare_salience_constants){.order = orders[i], .exponent = 1.0});
        check("symmetric", &(pare_salience_constants){.order = orders[i]});
        check("symmetric", &(pare_salience_constants){.order = orders[i], .squared = true});
    }
    check("gblm", &(pare_salience_constants){.alpha = 0.5});
    check("ria", &(pare_salience_constants){.exponent = 0.0});
    check("ria", &(pare_salience_constants){.exponent = 1.0});
    check("symwanda", &(pare_salience_constants){.balance = 0.3});
    check("symwanda", &(pare_salience_constants){.balance = 0.3, .squared = true});
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

/* Scaled up, the drawn sums have the whole sum as their mean over many seeds. */
static void draws_are_fair(void **state) {
    (void)state;
    enum { SEEDS = 400, N = 40 };
    problem p = problem_new(1, N);
    double sum = 0.0, whole = norm(&p, false, 0, 1.0);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        pare_salience_constants c = {.share = 0.5, .seed = seed}; /* of one row: one weight */
        pare_salience_matrix matrix = matrix_of(&p, &c);
        pare_salience_factors factors;
        assert_int_equal(pare_salience_prepare(&pare_salience_stochria, &matrix, &factors), PARE_OK);
        sum += 1.0 / (double)factors.row[0];
        pare_salience_factors_free(&factors);
    }
    /* One weight of N: |w| N has a deviation of about 0.75 whole; 4 of its mean's are 0.15 whole. */
    assert_true(fabs(sum / (double)SEEDS - whole) < 0.15 * whole);
    problem_free(&p);
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
        cmocka_unit_test(scores_equal_a_plain_loop),
        cmocka_unit_test(constants_are_read),
        cmocka_unit_test(relatives_of_ria_equal_it),
        cmocka_unit_test(draws_are_without_replacement),
        cmocka_unit_test(draws_are_fair),
        cmocka_unit_test(seeds_and_tensors_matter),
        cmocka_unit_test(stored_types_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(zeros_have_no_importance),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(missing_signals_and_senseless_constants_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
