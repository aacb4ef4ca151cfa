/* Entropy: the gradient of every tensor against differences of -sum p log p of the logits, in double, over chunks of
 * the vocabulary and tiles of tokens; and what it is told apart from, the gradient of the loss. */
#include "calibrate/entropy.h"
#include "distributions.h"
#include "model/tiny_pass.h"

/* Central differences at h and h / 2, extrapolated, are good to h^4 and to the rounding of fp32 logits; relative to the
 * sum of absolute terms, which does not cancel as the sum may. */
static const double bound = 2e-3, step = 0.02;

typedef struct probe {
    const tiny_pass *t;
    pare_pass *pass;
    float **displacement;
    float *logits;
} probe;

/* Mean over the tokens that have a next one. */
static double entropy_of(const probe *p) {
    int64_t vocabulary = p->t->model->config.vocabulary, length = p->t->length, tokens = p->t->sequences * length;
    double total = 0.0;
    for (int64_t t = 0; t < tokens; t++) {
        const float *row = p->logits + t * vocabulary;
        double log_sum = logits_log_sum(row, vocabulary), mean = 0.0;
        if (t % length == length - 1) continue;
        for (int64_t i = 0; i < vocabulary; i++)
            mean += exp((double)row[i] - log_sum) * (double)row[i];
        total += log_sum - mean;
    }
    return total / (double)(p->t->sequences * (length - 1));
}

static double entropy_at(const probe *p, size_t id, const float *direction, double size) {
    for (size_t i = 0; i < p->t->model->tensors[id]->count; i++)
        p->displacement[id][i] = (float)(size * (double)direction[i]);
    pare_source source = {.model = p->t->model, .backend = p->t->backend, .displacement = p->displacement};
    assert_int_equal(pare_pass_forward(p->pass, &source, p->t->ids, p->t->sequences), PARE_OK);
    assert_int_equal(pare_pass_logits(p->pass, &source, 0, p->t->sequences * p->t->length, p->logits), PARE_OK);
    return entropy_of(p);
}

static double slope(const probe *p, size_t id, const float *direction, double size) {
    return (entropy_at(p, id, direction, size) - entropy_at(p, id, direction, -size)) / (2.0 * size);
}

/* The direction has the signs of the gradient, so that a wrong element cannot hide in a sum that cancels. */
static void check_tensor(probe *p, size_t id, const float *gradient) {
    size_t count = p->t->model->tensors[id]->count;
    float *direction = malloc(count * sizeof *direction);
    double expected = 0.0, squares = 0.0;
    pare_normal_fill(direction, 3, 0, id, 0, count);
    for (size_t i = 0; i < count; i++) {
        direction[i] = copysignf(direction[i], gradient[i]);
        expected += (double)gradient[i] * (double)direction[i];
        squares += (double)direction[i] * (double)direction[i];
    }
    double size = step / sqrt(squares);
    p->displacement[id] = calloc(count, sizeof(float));
    double actual = (4.0 * slope(p, id, direction, size / 2.0) - slope(p, id, direction, size)) / 3.0;
    free(p->displacement[id]);
    p->displacement[id] = NULL;
    free(direction);
    if (!(fabs(actual - expected) <= bound * expected + 3e-6 / size))
        fail_msg("%s: %.8g, by differences %.8g", p->t->model->tensors[id]->name, expected, actual);
    assert_true(expected > 0.0);
}

/* *out: the gradients of the entropy of a whole pass; the loss that comes with them is the model's. */
static void gradients_of(const tiny_pass *t, const pare_objective *objective, tiny_gradients *out, double *loss) {
    pare_pass_shape shape = {.sequences = t->sequences, .length = t->length, .gradients = true, .objective = objective};
    pare_source source = {.model = t->model, .backend = t->backend};
    pare_pass *pass;
    *out = (tiny_gradients){.count = t->model->tensor_count};
    for (size_t id = 0; id < t->model->tensor_count; id++)
        out->of[id] = calloc(t->model->tensors[id]->count, sizeof(float));
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = out};
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, t->ids, &sink, loss), PARE_OK);
    pare_pass_free(pass);
}

static void check(tiny_model tiny) {
    tiny.scale = 0.4;
    tiny_pass t = tiny_pass_open(tiny, 2, 5, 1);
    tiny_gradients gradients, plain;
    double loss, usual;
    gradients_of(&t, &pare_entropy, &gradients, &loss);
    gradients_of(&t, NULL, &plain, &usual);
    assert_true(!(loss < usual || loss > usual));
    pare_pass_shape shape = {.sequences = t.sequences, .length = t.length, .composed = true};
    probe p = {.t = &t,
               .displacement = calloc(t.model->tensor_count, sizeof(float *)),
               .logits = malloc((size_t)(t.sequences * t.length) * t.model->config.vocabulary * sizeof(float))};
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &p.pass), PARE_OK);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        if (!t.model->tensors[id]->count || (t.model->config.tied && id == pare_tensor_id_head(t.model))) continue;
        check_tensor(&p, id, gradients.of[id]);
        assert_true(memcmp(gradients.of[id], plain.of[id], t.model->tensors[id]->count * sizeof(float)) != 0);
    }
    pare_pass_free(p.pass);
    free(p.displacement);
    free(p.logits);
    tiny_gradients_free(&gradients);
    tiny_gradients_free(&plain);
    tiny_pass_close(&t);
}

static void gradients_are_those_of_the_entropy(void **state) {
    (void)state;
    check((tiny_model){.layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13});
    check((tiny_model){.layers = 1, .hidden = 8, .kv_heads = 2, .vocabulary = 4200}); /* two chunks */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_those_of_the_entropy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
