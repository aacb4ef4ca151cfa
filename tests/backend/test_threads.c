/* The own kernels give the same bits on one thread as on two, or three. */
#include "backend/compare.h"

enum { N = 70, WIDTH = 515, SIZE = N * WIDTH };

typedef struct results {
    float norm[SIZE], inverse[N], dx[SIZE], gated[SIZE], dgate[SIZE], dup[SIZE], heads[SIZE], merged[SIZE],
        rotated[SIZE];
    float gradient[SIZE], maximum[N], target[N], composed[SIZE], next[SIZE];
    double dweight[WIDTH], dbias[WIDTH], sum[N];
    pare_displacement_sums sums;
} results;

static void run_all(const pare_backend *backend, const float *x, const float *y, results *r) {
    const pare_backend_operations *o = backend->operations;
    const pare_heads heads = {.batch = 2, .tokens = 35, .groups = 1, .shared = 5, .head = 103, .capacity = 35};
    const pare_heads turned = {.batch = 2, .tokens = 35, .groups = 1, .shared = 5, .head = 103, .rotated = 40};
    const pare_weight_view view = {.stored = x, .delta = y, .sigma = 0.1f, .seed = 3, .draw = 5, .tensor = 7};
    const pare_norm norm = {.kind = PARE_NORM_LAYER, .weight = y, .eps = 1e-5};
    const pare_proximal step = {0.5f, 0.5f, 20.0f, 20.0f, true, NULL, NULL};
    int32_t targets[N];
    float logsum[N];
    for (int t = 0; t < N; t++)
        targets[t] = t, logsum[t] = 7.0f, r->maximum[t] = -INFINITY;
    o->norm_forward(backend, &norm, x, N, WIDTH, r->norm, false, r->inverse);
    o->norm_backward(backend, &norm, x, r->inverse, y, N, WIDTH, r->dx, true, r->dweight, r->dbias);
    o->gated_forward(backend, (pare_gating){PARE_ACTIVATION_SILU, 0.0f}, x, y, SIZE, r->gated);
    o->rotate(backend, &turned, memcpy(r->rotated, x, sizeof r->rotated), y, false);
    o->gated_backward(backend, (pare_gating){PARE_ACTIVATION_SILU, 0.0f}, x, y, x, SIZE, r->dgate, r->dup);
    o->split_heads(backend, &heads, x, NULL, r->heads);
    o->merge_heads(backend, &heads, x, NULL, r->merged);
    o->logsum_update(backend, x, N, WIDTH, 0, targets, r->maximum, r->sum, r->target);
    o->logits_gradient(backend, x, N, WIDTH, 0, targets, logsum, 0.5f, r->gradient);
    o->compose_float(backend, &view, 0, N, WIDTH, r->composed);
    o->proximal_step(backend, &step, N, WIDTH, x, y, r->next, &r->sums);
}

static void same_bits(void **state) {
    (void)state;
    float *x = random_floats(SIZE, 1, 1.0f, PARE_DTYPE_F32), *y = random_floats(SIZE, 2, 1.0f, PARE_DTYPE_F32);
    results *one = buffer(1, sizeof *one);
    for (int threads = 1; threads <= 3; threads++) {
        results *r = buffer(1, sizeof *r);
        pare_backend *backend = open_cpu(PARE_COMPUTE_FP32, threads);
        run_all(backend, x, y, r);
        pare_backend_close(backend);
        if (threads == 1) memcpy(one, r, sizeof *r);
        assert_memory_equal(one, r, sizeof *r);
        free(r);
    }
    RELEASE(x, y, one);
}

static void absurd_thread_counts_are_refused(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, -1, &backend), PARE_BAD_ARGUMENT);
    assert_null(backend);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1000000, &backend), PARE_BAD_ARGUMENT);
    assert_null(backend);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(absurd_thread_counts_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
