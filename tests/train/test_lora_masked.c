/* LoRA that keeps zeros: gradients of something else than what the pass sees, and zeros that come to life. */
#include "tiny_slopes.h"

static pare_trained *make(const tiny_pass *t) {
    pare_trained *lora;
    expect(pare_trained_lora_masked(t->model, t->backend, &all_targets, &lora), PARE_OK, "");
    tiny_move(lora, 0.1f);
    return lora;
}

static void gradients_are_those_of_the_loss(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 2, 9}, {6, 3, 31}};
    tiny_pass t = tiny_trained_open((tiny_model){.layers = 3,
                                                 .hidden = 10,
                                                 .heads = 4,
                                                 .head_size = 6,
                                                 .scale = 1.0,
                                                 .widths = widths,
                                                 .dtype = PARE_DTYPE_BF16},
                                    true, 3, 9);
    slopes s = slopes_open(&t, make(&t));
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        pare_lora_factors f = pare_lora_factors_of(s.trained, id);
        if (!f.rank) continue;
        check_slope(&s, f.a, (size_t)(f.rank * f.columns), t.model->tensors[id]->name);
        check_slope(&s, f.b, (size_t)(f.rank * f.rows), t.model->tensors[id]->name);
    }
    check_gradients_add_up(&s);
    slopes_close(&s);
    tiny_pass_close(&t);
}

static void merged_keeps_zeros_and_adds_the_rest(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_pass t = tiny_trained_open((tiny_model){.dtype = (pare_dtype)dtype}, true, 1, 4);
        pare_trained *lora = make(&t);
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            float *merged = tiny_merged(lora, id, 7);
            for (size_t i = 0; i < t.model->tensors[id]->count; i++) {
                double size, expected = lora_formula(lora, id, i, &size);
                if (!(fabs(stored_at(t.model->tensors[id], i)) > 0.0)) expected = size = 0.0;
                if (fabs((double)merged[i] - expected) > 6e-7 * size)
                    fail_msg("tensor %zu, element %zu: %g, not %g", id, i, merged[i], expected);
            }
            free(merged);
        }
        pare_trained_free(lora);
        tiny_pass_close(&t);
    }
}

/* Without zeros, it is a LoRA: the same start, the same merged weights. */
static void without_zeros_it_is_the_plain_kind(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){0}, false, 1, 4);
    pare_trained *masked = make(&t), *plain;
    expect(pare_trained_lora(t.model, t.backend, &all_targets, &plain), PARE_OK, "");
    tiny_move(plain, 0.1f);
    assert_int_equal(plain->count, masked->count);
    assert_memory_equal(plain->value, masked->value, plain->count * sizeof(float));
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        float *a = tiny_merged(plain, id, 100), *b = tiny_merged(masked, id, 100);
        assert_memory_equal(a, b, t.model->tensors[id]->count * sizeof(float));
        free(a);
        free(b);
    }
    pare_trained_free(plain);
    pare_trained_free(masked);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(merged_keeps_zeros_and_adds_the_rest),
        cmocka_unit_test(without_zeros_it_is_the_plain_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
