/* Logits, loss and every gradient of the bundled model against fp64 autograd, in fp32; bf16's own error is bounded too.
 */
#include "golden.h"
#include "model/pass.h"
#include "support/memory.h"

typedef struct collected {
    const pare_model *model;
    double squares[256];
} collected;

static bool wants_all(void *context, size_t id) {
    (void)context;
    (void)id;
    return true;
}

static pare_status add_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                            const float *gradient, const float *squares) {
    (void)squares;
    collected *c = context;
    (void)first;
    for (int64_t i = 0; i < rows * columns; i++)
        c->squares[id] += (double)gradient[i] * (double)gradient[i];
    return PARE_OK;
}

static void check(pare_compute compute, int64_t micro_batch, double loss_bound, double gradient_bound,
                  double logit_bound) {
    json_t *golden = load_json(BUNDLED_GOLDEN);
    size_t sequences, length;
    uint32_t *ids = golden_ids(json_object_get(golden, "ids"), &sequences, &length);
    pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    assert_int_equal(pare_model_open(BUNDLED_MODEL, &model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(compute, 2, &backend), PARE_OK);
    pare_pass_shape shape = {
        .sequences = (int64_t)sequences, .length = (int64_t)length, .gradients = true, .micro_batch = micro_batch};
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    pare_source source = {.model = model, .backend = backend};
    collected all = {.model = model};
    pare_gradient_sink sink = {.wants = wants_all, .rows = add_rows, .context = &all};
    double loss;
    assert_int_equal(pare_pass_gradient(pass, &source, ids, &sink, &loss), PARE_OK);
    assert_close("loss", loss, json_real_value(json_object_get(golden, "loss")), loss_bound);
    json_t *norms = json_object_get(golden, "gradient_l2");
    double worst = 0.0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        double expected = json_real_value(json_object_get(norms, model->tensors[id]->name));
        assert_close(model->tensors[id]->name, sqrt(all.squares[id]), expected, gradient_bound);
        worst = fmax(worst, fabs(sqrt(all.squares[id]) / expected - 1.0));
    }
    float *logits = calloc(model->config.vocabulary, sizeof *logits);
    assert_int_equal(pare_pass_logits(pass, &source, 15, 1, logits), PARE_OK);
    json_t *expected = json_object_get(golden, "logits_first_sequence_position_15");
    double difference = 0.0, scale = 0.0;
    for (size_t i = 0; i < json_array_size(expected); i++) {
        double value = json_real_value(json_array_get(expected, i));
        difference = fmax(difference, fabs((double)logits[i] - value));
        scale = fmax(scale, fabs(value));
    }
    print_message("loss %.8f, worst gradient norm %.2g, worst logit %.2g of the largest\n", loss, worst,
                  difference / scale);
    assert_true(difference <= logit_bound * scale);
    free(logits);
    free(ids);
    pare_pass_free(pass);
    pare_backend_close(backend);
    pare_model_close(model);
    json_decref(golden);
}

static void fp32_equals_oracle(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, 0, 1e-6, 1e-4, 1e-5);
}

static void micro_batches_add_up(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, 3, 1e-6, 1e-4, 1e-5);
}

/* bf16 operands carry 8 bits: a relative error of 2^-9 per product, which averages out over rows of 64 and more. */
static void bf16_error_is_small(void **state) {
    (void)state;
    check(PARE_COMPUTE_BF16, 0, 2e-3, 3e-2, 2e-2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_equals_oracle),
        cmocka_unit_test(micro_batches_add_up),
        cmocka_unit_test(bf16_error_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
