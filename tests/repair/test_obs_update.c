/* SparseGPT's update: the golden rows of spec 13, an elimination written out plainly in double, dead inputs, matrices
 * that cannot be factored, every mask it can choose, any number of threads. */
#include "element_vectors.h"
#include "repair/layer_error.h"
#include "repair/obs_update.h"
#include "support/dtype.h"

#include <omp.h>

static void golden(const pare_element_target *target, int64_t slab, double loss, double error,
                   const double expected[VECTOR_ROWS * VECTOR_COLUMNS]) {
    float weights[VECTOR_ROWS * VECTOR_COLUMNS], before[VECTOR_ROWS * VECTOR_COLUMNS];
    float gram[VECTOR_COLUMNS * VECTOR_COLUMNS], x[VECTOR_TOKENS * VECTOR_COLUMNS];
    pare_inverse_factor factor;
    pare_element_mask mask;
    double got;
    vector_weights(weights);
    vector_weights(before);
    vector_gram(gram);
    vector_inputs(x);
    assert_int_equal(
        pare_inverse_factor_new_precise(gram, VECTOR_COLUMNS, 0.01, "test inputs", PARE_FACTOR_DOUBLE, &factor),
        PARE_OK);
    assert_int_equal(pare_element_mask_new(VECTOR_ROWS, VECTOR_COLUMNS, &mask), PARE_OK);
    pare_obs_update update = {&factor, slab, target};
    assert_int_equal(pare_obs_update_run(&update, weights, &mask, &got), PARE_OK);
    assert_close("loss", got / (double)VECTOR_SCALE, loss, 1e-7);
    assert_close("error",
                 measured_error(before, weights, x, VECTOR_TOKENS, VECTOR_ROWS, VECTOR_COLUMNS) / (double)VECTOR_SCALE,
                 error, 2e-7);
    for (int i = 0; i < VECTOR_ROWS * VECTOR_COLUMNS; i++) {
        assert_true(fabs((double)weights[i] - expected[i]) < 1e-6);
        assert_true((expected[i] == 0.0) == !pare_element_kept(&mask, i / VECTOR_COLUMNS, i % VECTOR_COLUMNS));
        assert_true(expected[i] != 0.0 || (weights[i] == 0.0f && !signbit(weights[i])));
    }
    pare_element_mask_free(&mask);
    pare_inverse_factor_free(&factor);
}

/* The released code prunes every score up to the one of rank floor(12 / 2): 7 of the 12 weights of a slab of 4 columns,
 * which is exactly 7/12 here. */
static void golden_half(void **state) {
    (void)state;
    golden(&(pare_element_target){.sparsity = 7.0 / 12.0, .compare = PARE_COMPARE_SLAB}, 4, 30.012130, 55.491643,
           (double[]){0, -0.563436, -2.015461, 0,        0, -0.502964, 0,        2.087682, 0, 0, 0.220643,  0,
                      0, -2.522455, 0,         1.368780, 0, 0.646816,  0.722489, 0,        0, 0, -1.498682, 0});
}

static void golden_two_of_four(void **state) {
    (void)state;
    golden(&(pare_element_target){.keep = 2, .of = 4}, 8, 6.551019, 9.188299,
           (double[]){0,    -0.563436, -2.015461, 0, 0, -0.502964, 0,         2.087682,
                      -1.8, 0,         1.281035,  0, 0, -2.556187, 0,         0.961929,
                      0,    0.646816,  0.722489,  0, 0, -0.518555, -1.124227, 0});
}

enum { ROWS = 37, COLUMNS = 83, TOKENS = 200 };

typedef struct layer {
    float *weights, *gram, *updated;
    pare_inverse_factor factor;
    pare_element_mask mask;
} layer;

static layer layer_new(int64_t dead, uint64_t seed) {
    layer l;
    size_t size = ROWS * COLUMNS * sizeof(float);
    random_layer(ROWS, COLUMNS, TOKENS, dead, seed, &l.weights, &l.gram, NULL);
    l.updated = malloc(size);
    memcpy(l.updated, l.weights, size);
    assert_int_equal(pare_inverse_factor_new(l.gram, COLUMNS, 0.01, "test inputs", &l.factor), PARE_OK);
    assert_int_equal(pare_element_mask_new(ROWS, COLUMNS, &l.mask), PARE_OK);
    return l;
}

static void layer_free(layer *l) {
    free(l->weights);
    free(l->gram);
    free(l->updated);
    pare_inverse_factor_free(&l->factor);
    pare_element_mask_free(&l->mask);
}

/* Inverts the symmetric positive definite `a` in place, by eliminating column after column. */
static void invert(double *a, int n) {
    for (int k = 0; k < n; k++) {
        double pivot = 1.0 / a[k * n + k];
        for (int j = 0; j < n; j++)
            a[k * n + j] *= j == k ? 0.0 : pivot;
        a[k * n + k] = pivot;
        for (int i = 0; i < n; i++)
            for (int j = 0; i != k && j < n; j++)
                if (j != k) a[i * n + j] -= a[i * n + k] * a[k * n + j];
        for (int i = 0; i < n; i++)
            if (i != k) a[i * n + k] *= -pivot;
    }
}

/* One weight at a time from left to right, each with the whole inverse of H restricted to the columns from there on. */
static void eliminate_plainly(const layer *l, double lambda, double *weights) {
    double *inverse = malloc(COLUMNS * COLUMNS * sizeof *inverse);
    for (int i = 0; i < COLUMNS; i++) {
        int n = COLUMNS - i;
        for (int a = 0; a < n; a++)
            for (int b = 0; b < n; b++)
                inverse[a * n + b] = (double)l->gram[(i + a) * COLUMNS + i + b] + (a == b ? lambda : 0.0);
        invert(inverse, n);
        for (int row = 0; row < ROWS; row++) {
            if (pare_element_kept(&l->mask, row, i)) continue;
            double share = weights[row * COLUMNS + i] / inverse[0];
            for (int j = 0; j < n; j++)
                weights[row * COLUMNS + i + j] -= share * inverse[j];
            weights[row * COLUMNS + i] = 0.0;
        }
    }
    free(inverse);
}

/* In slabs that divide nothing, and in one. */
static void plain_elimination_agrees(void **state) {
    (void)state;
    double plain[ROWS * COLUMNS];
    for (int64_t slab = 7; slab < 200; slab += 90) {
        layer l = layer_new(-1, 5);
        for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
            pare_element_keep(&l.mask, i / COLUMNS, i % COLUMNS, i * 7 % 5 < 2);
            plain[i] = (double)l.weights[i];
        }
        eliminate_plainly(&l, l.factor.damping.lambda, plain);
        pare_obs_update update = {&l.factor, slab, NULL};
        assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, NULL), PARE_OK);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            assert_true(fabs((double)l.updated[i] - plain[i]) < 1e-4 * (1.0 + fabs(plain[i])));
            assert_true((l.updated[i] == 0.0f) == !pare_element_kept(&l.mask, i / COLUMNS, i % COLUMNS));
        }
        layer_free(&l);
    }
}

static int64_t kept_in(const pare_element_mask *mask, int64_t row, int64_t first, int64_t end) {
    int64_t kept = 0;
    for (int64_t j = first; j < end; j++)
        kept += pare_element_kept(mask, row, j);
    return kept;
}

/* Exactly as many as asked, zeros exactly there, and less error than the same mask without an update. */
static void check_choice(const pare_element_target *target) {
    layer l = layer_new(-1, 6);
    float cut[ROWS * COLUMNS];
    double updated, masked;
    pare_obs_update update = {&l.factor, target->slab, target};
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, NULL), PARE_OK);
    if (target->of) {
        assert_true(pare_element_mask_is_pattern(&l.mask, target->keep, target->of));
    } else if (target->compare == PARE_COMPARE_SLAB) {
        int64_t all = pare_element_target_count(target, ROWS, COLUMNS);
        assert_int_equal(ROWS * COLUMNS - pare_element_mask_kept(&l.mask), all);
    } else {
        for (int64_t row = 0; row < ROWS; row++)
            for (int64_t first = 0; first < COLUMNS; first += target->slab) {
                int64_t end = first + target->slab < COLUMNS ? first + target->slab : COLUMNS;
                assert_int_equal(end - first - kept_in(&l.mask, row, first, end),
                                 pare_element_count(end - first, target->sparsity));
            }
    }
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true((l.updated[i] == 0.0f) == !pare_element_kept(&l.mask, i / COLUMNS, i % COLUMNS));
    memcpy(cut, l.weights, sizeof cut);
    pare_element_mask_apply(&l.mask, cut);
    assert_int_equal(pare_layer_error(l.weights, l.updated, l.gram, ROWS, COLUMNS, &updated, NULL), PARE_OK);
    assert_int_equal(pare_layer_error(l.weights, cut, l.gram, ROWS, COLUMNS, &masked, NULL), PARE_OK);
    assert_true(updated <= masked && (updated < masked || target->sparsity <= 0.0 || target->sparsity >= 1.0));
    layer_free(&l);
}

static void masks_chosen_on_the_way(void **state) {
    (void)state;
    for (int64_t slab = 5; slab < 130; slab += 41) {
        check_choice(&(pare_element_target){.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = slab});
        check_choice(&(pare_element_target){.sparsity = 0.6, .compare = PARE_COMPARE_ROW, .slab = slab});
        check_choice(&(pare_element_target){.keep = 2, .of = 4, .slab = slab, .sparsity = 0.5});
        check_choice(&(pare_element_target){.keep = 3, .of = 7, .slab = slab, .sparsity = 0.5});
    }
    check_choice(&(pare_element_target){.sparsity = 0.0, .compare = PARE_COMPARE_SLAB, .slab = 32});
    check_choice(&(pare_element_target){.sparsity = 1.0, .compare = PARE_COMPARE_ROW, .slab = 32});
}

/* Dead inputs' weights go first and cost nothing; those that are kept stay what they were. */
/* What the update says of its error, against the product: as it leaves the weights, and rounded to bf16; with and
 * without an input that was always 0, under a mask and with one of its own, with few tokens, where the damping is most
 * of H. */
static void says_its_error(const pare_element_target *target, int64_t dead, double damping) {
    layer l = layer_new(dead, 8);
    float written[ROWS * COLUMNS];
    double loss, said, error;
    pare_inverse_factor_free(&l.factor);
    assert_int_equal(pare_inverse_factor_new(l.gram, COLUMNS, damping, "test inputs", &l.factor), PARE_OK);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        pare_element_keep(&l.mask, i / COLUMNS, i % COLUMNS, i * 7 % 5 < 2);
    pare_obs_update update = {&l.factor, 32, target};
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, &loss), PARE_OK);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        written[i] = pare_bf16_to_float(pare_float_to_bf16(l.updated[i]));
    for (int rounded = 0; rounded < 2; rounded++) {
        const pare_obs_outcome outcome = {l.weights, l.updated, rounded ? written : l.updated, l.gram, ROWS, loss};
        assert_int_equal(pare_obs_update_error(&l.factor, &outcome, &said), PARE_OK);
        assert_int_equal(pare_layer_error(l.weights, outcome.written, l.gram, ROWS, COLUMNS, &error, NULL), PARE_OK);
        assert_close("error", said, error, rounded ? 4e-3 : 1e-4);
    }
    l.factor.identity = true;
    const pare_obs_outcome unknown = {l.weights, l.updated, written, l.gram, ROWS, loss};
    assert_int_equal(pare_obs_update_error(&l.factor, &unknown, &said), PARE_OK);
    assert_true(isnan(said));
    layer_free(&l);
}

static void the_update_says_its_error(void **state) {
    (void)state;
    for (int64_t dead = -1; dead < 10; dead += 6) {
        says_its_error(NULL, dead, 0.01);
        says_its_error(NULL, dead, 1.0);
        says_its_error(&(pare_element_target){.keep = 2, .of = 4}, dead, 0.01);
        says_its_error(&(pare_element_target){.sparsity = 0.5, .compare = PARE_COMPARE_SLAB}, dead, 0.01);
    }
}

static void dead_inputs(void **state) {
    (void)state;
    layer l = layer_new(4, 7);
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_ROW};
    pare_obs_update update = {&l.factor, 32, &target};
    assert_true(l.factor.dead[4] && !l.factor.dead[5]);
    assert_int_equal(l.factor.damping.dead, 1);
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, NULL), PARE_OK);
    for (int row = 0; row < ROWS; row++)
        assert_true(!pare_element_kept(&l.mask, row, 4) && l.updated[row * COLUMNS + 4] == 0.0f);
    pare_element_mask_fill(&l.mask);
    update.choose = NULL;
    double loss;
    memcpy(l.updated, l.weights, ROWS * COLUMNS * sizeof(float));
    for (int row = 0; row < ROWS; row++)
        pare_element_keep(&l.mask, row, 4, row % 2);
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, &loss), PARE_OK);
    assert_true(loss == 0.0);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(l.updated[i] == (pare_element_kept(&l.mask, i / COLUMNS, i % COLUMNS) ? l.weights[i] : 0.0f));
    layer_free(&l);
}

/* Nothing on the diagonal, a single token, a matrix with a negative eigenvalue that no damping up to 1 lifts. */
static void matrices_that_are_hard_to_factor(void **state) {
    (void)state;
    float zero[9] = {0.0f}, one[9] = {4, 2, 2, 2, 1, 1, 2, 1, 1}, indefinite[9] = {1, 9, 0, 9, 1, 0, 0, 0, 1};
    pare_inverse_factor f;
    assert_int_equal(pare_inverse_factor_new(zero, 3, 0.01, "test inputs", &f), PARE_OK);
    assert_true(!f.identity && f.damping.dead == 3 && f.upper[0] == 1.0f && f.upper[1] == 0.0f);
    pare_inverse_factor_free(&f);
    assert_int_equal(pare_inverse_factor_new(one, 3, 0.0, "test inputs", &f), PARE_OK);
    assert_true(!f.identity && f.damping.raised > 0 && f.damping.share > 0.0);
    pare_inverse_factor_free(&f);
    assert_int_equal(pare_inverse_factor_new(indefinite, 3, 0.01, "test inputs", &f), PARE_OK);
    assert_true(f.identity && f.damping.raised < 0 && f.upper[4] == 1.0f && f.upper[1] == 0.0f);
    float weights[3] = {1, -2, 3};
    pare_element_mask mask;
    assert_int_equal(pare_element_mask_new(1, 3, &mask), PARE_OK);
    pare_element_target target = {.sparsity = 0.4, .compare = PARE_COMPARE_ROW};
    pare_obs_update update = {&f, 128, &target};
    assert_int_equal(pare_obs_update_run(&update, weights, &mask, NULL), PARE_OK);
    assert_true(weights[0] == 0.0f && weights[1] == -2.0f && weights[2] == 3.0f);
    pare_element_mask_free(&mask);
    pare_inverse_factor_free(&f);
}

/* Both precisions give the same factor where single is enough, and double is taken where it is not. */
static void precision(void **state) {
    (void)state;
    enum { N = 64 };
    float gram[N * N];
    pare_inverse_factor single, twice;
    layer l = layer_new(-1, 8);
    assert_false(l.factor.in_double);
    assert_int_equal(pare_inverse_factor_new_precise(l.gram, COLUMNS, 0.01, "test inputs", PARE_FACTOR_DOUBLE, &twice),
                     PARE_OK);
    for (int i = 0; i < COLUMNS * COLUMNS; i++)
        assert_true(fabsf(l.factor.upper[i] - twice.upper[i]) < 1e-4f * (1.0f + fabsf(twice.upper[i])));
    pare_inverse_factor_free(&twice);
    layer_free(&l);
    for (int i = 0; i < N * N; i++)
        gram[i] = expf(-powf((float)(i / N - i % N) / 20.0f, 2.0f)); /* of a few directions only */
    assert_int_equal(pare_inverse_factor_new_precise(gram, N, 3e-6, "test inputs", PARE_FACTOR_SINGLE, &single),
                     PARE_OK);
    assert_int_equal(pare_inverse_factor_new(gram, N, 3e-6, "test inputs", &twice), PARE_OK);
    assert_true(single.residual > 2e-3 && twice.in_double && twice.residual < single.residual);
    pare_inverse_factor_free(&single);
    pare_inverse_factor_free(&twice);
}

static void threads_give_the_same_mask(void **state) {
    (void)state;
    pare_element_target target = {.keep = 2, .of = 4};
    layer l[2];
    int threads = omp_get_max_threads();
    for (int i = 0; i < 2; i++) {
        omp_set_num_threads(1 + i);
        l[i] = layer_new(-1, 9);
        pare_obs_update update = {&l[i].factor, 128, &target}; /* one slab: no product between slabs */
        assert_int_equal(pare_obs_update_run(&update, l[i].updated, &l[i].mask, NULL), PARE_OK);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(l[0].mask.word, l[1].mask.word, (size_t)(ROWS * l[0].mask.stride) * 8);
    layer_free(&l[0]);
    layer_free(&l[1]);
}

static void refused(void **state) {
    (void)state;
    layer l = layer_new(-1, 10);
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX};
    pare_obs_update update = {&l.factor, 32, &target};
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, NULL), PARE_BAD_ARGUMENT);
    target.compare = PARE_COMPARE_ROW;
    l.updated[7] = NAN;
    assert_int_equal(pare_obs_update_run(&update, l.updated, &l.mask, NULL), PARE_NUMERIC_ERROR);
    l.gram[3] = INFINITY;
    pare_inverse_factor factor;
    assert_int_equal(pare_inverse_factor_new(l.gram, COLUMNS, 0.01, "test inputs", &factor), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "test inputs"));
    layer_free(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_half),
        cmocka_unit_test(golden_two_of_four),
        cmocka_unit_test(plain_elimination_agrees),
        cmocka_unit_test(masks_chosen_on_the_way),
        cmocka_unit_test(the_update_says_its_error),
        cmocka_unit_test(dead_inputs),
        cmocka_unit_test(matrices_that_are_hard_to_factor),
        cmocka_unit_test(precision),
        cmocka_unit_test(threads_give_the_same_mask),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
