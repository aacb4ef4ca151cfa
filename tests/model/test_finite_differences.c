/* Every tensor's gradient against differences of the loss, on shapes that products and tiles do not divide. */
#include "tiny_pass.h"

/* The directional derivative by central differences at h and h / 2, extrapolated, is good to h^4 and to the rounding of
 * the loss: logits are fp32 (2^-24 of a few units each), sums are fp64, so the loss of N tokens is good to about
 * 1e-7 / sqrt(N), divided by a change of the loss of about 1e-2. */
static const double bound = 3e-4, loss_step = 2e-2, rounding = 2e-6;

typedef struct probe {
    const tiny_pass *t;
    pare_pass *pass;
    float **displacement;
} probe;

static double loss_at(const probe *p, size_t id, const float *direction, double step) {
    size_t count = p->t->model->tensors[id]->count;
    for (size_t i = 0; i < count; i++)
        p->displacement[id][i] = (float)(step * (double)direction[i]);
    pare_source source = {.model = p->t->model, .backend = p->t->backend, .displacement = p->displacement};
    double sum;
    assert_int_equal(pare_pass_forward(p->pass, &source, p->t->ids, p->t->sequences), PARE_OK);
    assert_int_equal(pare_pass_loss(p->pass, &source, NULL, &sum), PARE_OK);
    return sum / (double)(p->t->sequences * (p->t->length - 1));
}

static double slope(const probe *p, size_t id, const float *direction, double step) {
    return (loss_at(p, id, direction, step) - loss_at(p, id, direction, -step)) / (2.0 * step);
}

/* Random sizes, with the signs of the gradient: a wrong element cannot hide in a sum that cancels. */
static double choose_direction(const float *gradient, size_t count, uint64_t id, float *direction) {
    double expected = 0.0;
    pare_normal_fill(direction, 3, 0, id, 0, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(gradient[i]));
        if (gradient[i] < 0.0f) direction[i] = -fabsf(direction[i]);
        if (gradient[i] > 0.0f) direction[i] = fabsf(direction[i]);
        expected += (double)gradient[i] * (double)direction[i];
    }
    return expected;
}

/* The first token has only itself to look at, so that with one prediction queries and keys change nothing. */
static bool looks_at_itself_only(const tiny_pass *t, size_t id) {
    uint32_t layer;
    pare_role role;
    return t->length == 2 && pare_tensor_id_split(t->model, id, &layer, &role) &&
           (role == PARE_ROLE_Q || role == PARE_ROLE_K);
}

static double check_tensor(probe *p, size_t id, const float *gradient) {
    const pare_tensor *tensor = p->t->model->tensors[id];
    float *direction = malloc(tensor->count * sizeof *direction);
    double expected = choose_direction(gradient, tensor->count, id, direction);
    double step = fmin(loss_step / fmax(expected, 1e-9), 0.05);
    p->displacement[id] = calloc(tensor->count, sizeof(float));
    double actual = (4.0 * slope(p, id, direction, step / 2.0) - slope(p, id, direction, step)) / 3.0;
    free(p->displacement[id]);
    p->displacement[id] = NULL;
    free(direction);
    double error = fabs(actual - expected), allowed = bound * expected + rounding / step;
    if (!(error <= allowed))
        fprintf(stderr, "%s: gradient along a direction %.8g, by differences %.8g\n", tensor->name, expected, actual);
    assert_true(error <= allowed);
    if (looks_at_itself_only(p->t, id)) {
        assert_true(expected < 1e-4); /* others: 0.1 and more */
        return 0.0;
    }
    assert_true(expected > 10.0 * rounding / step);
    return error / expected;
}

static void check(tiny_model tiny, int64_t sequences, int64_t length) {
    tiny.scale = tiny.scale > 0 ? tiny.scale : 0.4;
    tiny_pass t = tiny_pass_open(tiny, sequences, length, 1);
    pare_source plain = {.model = t.model, .backend = t.backend};
    tiny_gradients gradients;
    tiny_pass_gradients(&t, &plain, 0, -1, &gradients);
    probe p = {.t = &t, .displacement = calloc(t.model->tensor_count, sizeof(float *))};
    pare_pass_shape shape = {.sequences = sequences, .length = length, .composed = true};
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &p.pass), PARE_OK);
    double worst = 0.0;
    for (size_t id = 0; id < t.model->tensor_count; id++)
        worst = fmax(worst, check_tensor(&p, id, gradients.of[id]));
    print_message("worst relative error %.2g\n", worst);
    pare_pass_free(p.pass);
    free(p.displacement);
    tiny_gradients_free(&gradients);
    tiny_pass_close(&t);
}

static void all_heads(void **state) {
    (void)state;
    check((tiny_model){.layers = 2}, 3, 9);
}

static void shared_keys_and_tied_head(void **state) {
    (void)state;
    check((tiny_model){.hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .tied = true}, 2, 11);
}

static void one_key_head_and_odd_widths(void **state) {
    (void)state;
    check(
        (tiny_model){.layers = 3, .hidden = 14, .heads = 3, .kv_heads = 1, .head_size = 10, .ffn = 7, .vocabulary = 37},
        2, 7);
}

static void one_layer_and_one_prediction(void **state) {
    (void)state;
    check((tiny_model){.layers = 1}, 1, 2);
}

static void one_layer_tied_and_one_prediction(void **state) {
    (void)state;
    check((tiny_model){.layers = 1, .tied = true, .kv_heads = 2, .heads = 4, .seed = 4}, 1, 2);
}

static void layers_of_differing_widths(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 1, 5}, {6, 3, 31}};
    check((tiny_model){.layers = 3, .hidden = 10, .heads = 4, .head_size = 6, .widths = widths}, 2, 8);
}

/* Longer than two tiles of attention. */
static void long_windows(void **state) {
    (void)state;
    check((tiny_model){.layers = 1, .heads = 4, .kv_heads = 2, .positions = 300, .scale = 0.6}, 1, 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_heads),
        cmocka_unit_test(shared_keys_and_tied_head),
        cmocka_unit_test(one_key_head_and_odd_widths),
        cmocka_unit_test(one_layer_and_one_prediction),
        cmocka_unit_test(one_layer_tied_and_one_prediction),
        cmocka_unit_test(layers_of_differing_widths),
        cmocka_unit_test(long_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
