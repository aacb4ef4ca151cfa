/* Gradients of adapters against differences of the loss: all seven roles, with dropout, with output factors, and with
 * the FFN's activations by token and by feature. */
#include "tiny_adapters.h"

/* As in test_finite_differences.c, with smaller steps: low-rank directions are steep. */
static const double bound = 3e-4, loss_step = 5e-3, rounding = 2e-6;

typedef struct probe {
    tiny_adapters *adapters;
    pare_pass *pass;
    size_t id;
    float *values; /* a or b of the adapter */
    size_t count;
    const float *direction, *middle;
} probe;

static double loss_at(const probe *p, double step) {
    const tiny_pass *t = p->adapters->of;
    pare_source source = {.model = t->model, .backend = t->backend};
    double sum;
    for (size_t i = 0; i < p->count; i++)
        p->values[i] = (float)((double)p->middle[i] + step * (double)p->direction[i]);
    tiny_adapter_set(p->adapters, p->id);
    assert_int_equal(pare_pass_forward(p->pass, &source, t->ids, t->sequences), PARE_OK);
    assert_int_equal(pare_pass_loss(p->pass, &source, NULL, &sum), PARE_OK);
    return sum / (double)(t->sequences * (t->length - 1));
}

static double slope(const probe *p, double step) {
    return (loss_at(p, step) - loss_at(p, -step)) / (2.0 * step);
}

static double check(probe p, const float *gradient, const char *what) {
    float *direction = tiny_normal_values(9, p.id, p.count, 1.0f), *middle = malloc(p.count * sizeof *middle);
    double expected = 0.0;
    memcpy(middle, p.values, p.count * sizeof *middle);
    for (size_t i = 0; i < p.count; i++) {
        direction[i] = copysignf(direction[i], gradient[i]);
        expected += (double)gradient[i] * (double)direction[i];
    }
    p.direction = direction;
    p.middle = middle;
    double step = fmin(loss_step / fmax(expected, 1e-9), 0.006);
    double actual = (4.0 * slope(&p, step / 2.0) - slope(&p, step)) / 3.0;
    loss_at(&p, 0.0);
    free(direction);
    free(middle);
    double error = fabs(actual - expected), allowed = bound * expected + rounding / step;
    if (!(error <= allowed))
        fail_msg("%s of %s: gradient along a direction %.8g, by differences %.8g", what,
                 p.adapters->of->model->tensors[p.id]->name, expected, actual);
    assert_true(expected > 10.0 * rounding / step);
    return error / expected;
}

static void check_all(tiny_model tiny, int64_t sequences, int64_t length, float dropout, bool kept) {
    tiny.scale = 0.25;
    tiny_pass t = tiny_pass_open(tiny, sequences, length, 1);
    tiny_adapters adapters;
    tiny_adapters_new(&adapters, &t, 3, dropout, kept);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_adapters_gradients(&adapters, &source, 0);
    probe p = {.adapters = &adapters};
    pare_pass_shape shape = {.sequences = sequences, .length = length, .rank = 3, .dropout = dropout > 0.0f};
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &p.pass), PARE_OK);
    pare_pass_adapt(p.pass, &adapters.all);
    double worst = 0.0;
    for (uint32_t layer = 0; layer < t.model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            p.id = pare_tensor_id(layer, (pare_role)role);
            p.values = adapters.a[p.id];
            p.count = (size_t)(adapters.list[p.id].rank * adapters.columns[p.id]);
            worst = fmax(worst, check(p, adapters.da[p.id], "A"));
            p.values = adapters.b[p.id];
            p.count = (size_t)(adapters.list[p.id].rank * adapters.rows[p.id]);
            worst = fmax(worst, check(p, adapters.db[p.id], "B"));
        }
    print_message("worst relative error %.2g\n", worst);
    pare_pass_free(p.pass);
    tiny_adapters_free(&adapters);
    tiny_pass_close(&t);
}

static const tiny_model odd = {.hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13};

static void plain_by_token(void **state) {
    (void)state;
    check_all(odd, 2, 9, 0.0f, false);
}

static void plain_by_feature(void **state) {
    (void)state;
    check_all(odd, 2, 37, 0.0f, false);
}

static void dropout_by_token(void **state) {
    (void)state;
    check_all(odd, 2, 9, 0.3f, false);
}

static void dropout_by_feature(void **state) {
    (void)state;
    check_all(odd, 2, 37, 0.3f, false);
}

static void output_factors_by_token(void **state) {
    (void)state;
    check_all(odd, 2, 9, 0.2f, true);
}

static void output_factors_by_feature(void **state) {
    (void)state;
    check_all(odd, 2, 37, 0.2f, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_by_token),          cmocka_unit_test(plain_by_feature),
        cmocka_unit_test(dropout_by_token),        cmocka_unit_test(dropout_by_feature),
        cmocka_unit_test(output_factors_by_token), cmocka_unit_test(output_factors_by_feature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
