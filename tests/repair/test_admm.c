/* ADMM and masked conjugate gradients against the exact least squares of every row on its kept weights; masks that are
 * chosen; dead inputs; nothing and everything pruned. */
#include "element_vectors.h"
#include "repair/admm.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"

enum { ROWS = 12, COLUMNS = 48, TOKENS = 160, DEAD = 11 };

typedef struct layer {
    float *weights, *gram, *x, *fitted;
    pare_element_mask mask;
    double masked, exact; /* errors: dense weights under the mask, and least squares */
} layer;

/* Solves a x = b by elimination with pivots; b becomes x. */
static void solve(double *a, double *b, int n) {
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[best * n + k])) best = i;
        for (int j = 0; j < n; j++) {
            double t = a[k * n + j];
            a[k * n + j] = a[best * n + j];
            a[best * n + j] = t;
        }
        double t = b[k];
        b[k] = b[best];
        b[best] = t;
        for (int i = k + 1; i < n; i++) {
            double share = a[i * n + k] / a[k * n + k];
            for (int j = k; j < n; j++)
                a[i * n + j] -= share * a[k * n + j];
            b[i] -= share * b[k];
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++)
            b[i] -= a[i * n + j] * b[j];
        b[i] /= a[i * n + i];
    }
}

/* G_kk w_k = (G w0)_k on the row's kept inputs that were ever alive. */
static void exact_row(const layer *l, int row, float *out) {
    double a[COLUMNS * COLUMNS], b[COLUMNS];
    int list[COLUMNS], n = 0;
    for (int j = 0; j < COLUMNS; j++) {
        out[j] = 0.0f;
        if (pare_element_kept(&l->mask, row, j) && j != DEAD) list[n++] = j;
    }
    for (int i = 0; i < n; i++) {
        b[i] = 0.0;
        for (int j = 0; j < COLUMNS; j++)
            b[i] += (double)l->gram[list[i] * COLUMNS + j] * (double)l->weights[row * COLUMNS + j];
        for (int j = 0; j < n; j++)
            a[i * n + j] = (double)l->gram[list[i] * COLUMNS + list[j]];
    }
    solve(a, b, n);
    for (int i = 0; i < n; i++)
        out[list[i]] = (float)b[i];
}

static double error_of(const layer *l, const float *after) {
    return measured_error(l->weights, after, l->x, TOKENS, ROWS, COLUMNS);
}

/* Half of the weights go, the smallest of each row or not: by `spread`. */
static layer layer_new(uint64_t seed, int spread) {
    layer l;
    float other[ROWS * COLUMNS];
    random_layer(ROWS, COLUMNS, TOKENS, DEAD, seed, &l.weights, &l.gram, &l.x);
    l.fitted = malloc(sizeof other);
    memcpy(l.fitted, l.weights, sizeof other);
    assert_int_equal(pare_element_mask_new(ROWS, COLUMNS, &l.mask), PARE_OK);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        pare_element_keep(&l.mask, i / COLUMNS, i % COLUMNS, i * 7 % 10 < spread);
    memcpy(other, l.weights, sizeof other);
    pare_element_mask_apply(&l.mask, other);
    l.masked = error_of(&l, other);
    for (int row = 0; row < ROWS; row++)
        exact_row(&l, row, other + row * COLUMNS);
    l.exact = error_of(&l, other);
    return l;
}

static void layer_free(layer *l) {
    free(l->weights);
    free(l->gram);
    free(l->x);
    free(l->fitted);
    pare_element_mask_free(&l->mask);
}

static void zeros_where_pruned(const layer *l) {
    for (int i = 0; i < ROWS * COLUMNS; i++)
        if (!pare_element_kept(&l->mask, i / COLUMNS, i % COLUMNS))
            assert_true(l->fitted[i] == 0.0f && !signbit(l->fitted[i]));
}

/* What is left above the least squares, as a share of what an update can win. */
static double above(const layer *l) {
    return (error_of(l, l->fitted) - l->exact) / (l->masked - l->exact);
}

static void conjugate_gradients_reach_least_squares(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++) {
        layer l = layer_new(seed, 5);
        double last = 1.0;
        for (int32_t steps = 0; steps <= 40; steps += 4) {
            memcpy(l.fitted, l.weights, ROWS * COLUMNS * sizeof(float));
            assert_int_equal(pare_masked_cg(l.weights, l.gram, &l.mask, steps, l.fitted), PARE_OK);
            zeros_where_pruned(&l);
            assert_true(above(&l) <= last + 1e-6);
            last = above(&l);
            for (int row = 0; row < ROWS; row++)
                if (pare_element_kept(&l.mask, row, DEAD))
                    assert_true(l.fitted[row * COLUMNS + DEAD] == l.weights[row * COLUMNS + DEAD]);
        }
        assert_true(last < 1e-9);
        layer_free(&l);
    }
}

static void admm_comes_close(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++) {
        double few = 1.0;
        for (int32_t iterations = 20; iterations <= 320; iterations *= 4) {
            layer l = layer_new(seed, 5);
            pare_damping damping;
            pare_admm admm = {.iterations = iterations, .rho = 0.1, .normalise = true};
            assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, &damping), PARE_OK);
            zeros_where_pruned(&l);
            assert_int_equal(damping.dead, 1);
            assert_true(above(&l) < few);
            few = above(&l);
            layer_free(&l);
        }
        assert_true(few < 1e-9);
        layer l = layer_new(seed, 5);
        pare_admm admm = {.iterations = 5, .rho = 1.0, .normalise = true, .refine = 20};
        assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_OK);
        assert_true(above(&l) < 1e-9);
        layer_free(&l);
    }
}

/* As many iterations as none, or a rho that moves nothing: never worse than the dense weights under the mask. */
static void never_worse(void **state) {
    (void)state;
    for (double rho = 1e-4; rho < 1e5; rho *= 100.0)
        for (int32_t iterations = 0; iterations < 4; iterations++) {
            layer l = layer_new(5, 3);
            pare_admm admm = {.iterations = iterations, .rho = rho, .damping = 0.01};
            assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_OK);
            zeros_where_pruned(&l);
            assert_true(error_of(&l, l.fitted) <= l.masked * (1.0 + 1e-6));
            layer_free(&l);
        }
}

static double fit_chosen(const pare_element_target *target, int32_t gradual) {
    layer l = layer_new(8, 5);
    pare_admm admm = {.iterations = 40, .rho = 1.0, .normalise = true, .choose = target, .gradual = gradual};
    assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_OK);
    zeros_where_pruned(&l);
    if (target->of)
        assert_true(pare_element_mask_is_pattern(&l.mask, target->keep, target->of));
    else
        assert_int_equal(ROWS * COLUMNS - pare_element_mask_kept(&l.mask),
                         pare_element_target_count(target, ROWS, COLUMNS));
    double error = error_of(&l, l.fitted);
    layer_free(&l);
    return error;
}

static void masks_are_chosen(void **state) {
    (void)state;
    pare_element_target half = {.sparsity = 0.5, .compare = PARE_COMPARE_ROW}, pattern = {.keep = 2, .of = 4};
    assert_true(fit_chosen(&half, 15) < fit_chosen(&half, 0));
    assert_true(fit_chosen(&pattern, 15) < fit_chosen(&pattern, 0) * 1.05);
    assert_true(fit_chosen(&half, 15) < fit_chosen(&pattern, 15));
    fit_chosen(&(pare_element_target){.sparsity = 0.6, .compare = PARE_COMPARE_MATRIX}, 100);
}

static void nothing_and_everything(void **state) {
    (void)state;
    for (int kept = 0; kept <= 10; kept += 10) {
        layer l = layer_new(3, kept);
        pare_admm admm = {.iterations = 20, .rho = 1.0, .damping = 0.01, .normalise = true};
        assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_OK);
        for (int i = 0; i < ROWS * COLUMNS; i++)
            assert_true(fabsf(l.fitted[i] - (kept ? l.weights[i] : 0.0f)) < 1e-5f * (1.0f + fabsf(l.weights[i])));
        memset(l.gram, 0, COLUMNS * COLUMNS * sizeof(float));
        assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_OK);
        assert_int_equal(pare_masked_cg(l.weights, l.gram, &l.mask, 9, l.fitted), PARE_OK);
        zeros_where_pruned(&l);
        layer_free(&l);
    }
}

static void refused(void **state) {
    (void)state;
    layer l = layer_new(3, 5);
    pare_admm admm = {.iterations = 3, .rho = 0.0};
    assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_BAD_ARGUMENT);
    admm.rho = 1.0;
    l.fitted[5] = NAN;
    assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_NUMERIC_ERROR);
    l.fitted[5] = 0.0f;
    l.gram[7] = NAN;
    assert_int_equal(pare_admm_run(&admm, l.gram, "test inputs", l.fitted, &l.mask, NULL), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "test inputs"));
    layer_free(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conjugate_gradients_reach_least_squares),
        cmocka_unit_test(admm_comes_close),
        cmocka_unit_test(never_worse),
        cmocka_unit_test(masks_are_chosen),
        cmocka_unit_test(nothing_and_everything),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
