/* Logits and losses of every family equal transformers': in fp32 on both backends, and closely in bf16. */
#include "families.h"

typedef pare_status (*backend_fn)(pare_backend **out);

static pare_status open_fp32(pare_backend **out) {
    return pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, out);
}

static pare_status open_bf16(pare_backend **out) {
    return pare_backend_open_cpu(PARE_COMPUTE_BF16, 1, out);
}

static void check(backend_fn open_backend, double logit_bound, double loss_bound) {
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    double worst = 0.0, worst_loss = 0.0;
    assert_int_equal(open_backend(&backend), PARE_OK);
    assert_true(json_array_size(all.cases) >= (families_have_experts() ? 20 : 80));
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        uint32_t vocabulary = m.model->config.vocabulary;
        float *logits = malloc((size_t)FAMILY_TOKENS * vocabulary * sizeof *logits);
        double wanted = family_number(one, "loss");
        double loss = family_forward(m.model, backend, all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, logits);
        double apart = family_logit_error(&all, one, logits, vocabulary), loss_apart = fabs(loss / wanted - 1.0);
        if (!(apart <= logit_bound) || !(loss_apart <= loss_bound)) {
            wrong++;
            fprintf(stderr, "%s: logits %.2g of the largest, loss %.9g, expected %.9g\n", family_name(one), apart, loss,
                    wanted);
        }
        worst = family_worse(worst, apart);
        worst_loss = family_worse(worst_loss, loss_apart);
        free(logits);
        family_close(&m);
    }
    print_message("%zu models: worst logit %.2g of the largest, worst loss %.2g\n", json_array_size(all.cases), worst,
                  worst_loss);
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void fp32_equals_transformers(void **state) {
    (void)state;
    check(open_fp32, 1e-5, 1e-6);
}

static void reference_equals_transformers(void **state) {
    (void)state;
    check(pare_backend_open_reference, 1e-5, 1e-6);
}

/* Operands of 8 bits: a relative error of 2^-9 each, which two layers of products carry into logits; a token whose
 * router hardly tells two experts apart may reach the other one. */
static void bf16_is_close(void **state) {
    (void)state;
    check(open_bf16, families_have_experts() ? 3e-1 : 1e-1, 5e-3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_equals_transformers),
        cmocka_unit_test(reference_equals_transformers),
        cmocka_unit_test(bf16_is_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
