/* All weights: gradients that miss a tensor or a use of it, zeros that come to life, and starts that are not as told.
 */
#include "tiny_slopes.h"

static pare_trained *make(const tiny_pass *t, pare_full_options options) {
    pare_trained *full;
    expect(pare_trained_full(t->model, t->backend, &options, &full), PARE_OK, "");
    assert_int_equal(full->count, pare_model_parameters(t->model));
    assert_true(pare_trained_full_bytes(t->model) >= full->count * 8);
    return full;
}

/* A tensor that nothing goes through: one without elements, or the norm in front of a half that is not there. */
static bool is_idle(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(model, id, &layer, &role)) return false;
    const pare_widths *w = &model->config.widths[layer];
    return !model->tensors[id]->count || (role == PARE_ROLE_INPUT_NORM && !w->heads) ||
           (role == PARE_ROLE_POST_NORM && !w->ffn);
}

static void check_gradients(tiny_model tiny, bool keep_zeros) {
    tiny.scale = 0.5;
    tiny_pass t = tiny_trained_open(tiny, true, 3, 9);
    slopes s = slopes_open(&t, make(&t, (pare_full_options){.keep_zeros = keep_zeros}));
    size_t at = 0, kept = 0;
    for (size_t id = 0; id < t.model->tensor_count; at += t.model->tensors[id]->count, id++) {
        const pare_tensor *tensor = t.model->tensors[id];
        bool idle = is_idle(t.model, id);
        for (size_t i = 0; idle && i < tensor->count; i++)
            assert_true(s.trained->gradient[at + i] == 0.0f);
        if (!keep_zeros && !idle) check_slope(&s, at, tensor->count, tensor->name);
        for (size_t i = 0; keep_zeros && i < tensor->count; i++)
            if (!(fabs(stored_at(tensor, i)) > 0.0)) {
                assert_true(s.trained->gradient[at + i] == 0.0f);
                kept++;
            }
    }
    assert_int_equal(kept > 0, keep_zeros);
    check_gradients_add_up(&s);
    slopes_close(&s);
    tiny_pass_close(&t);
}

static void gradients_are_those_of_the_loss(void **state) {
    (void)state;
    check_gradients((tiny_model){.kv_heads = 2, .tied = true}, false);
    check_gradients((tiny_model){.hidden = 14, .heads = 3, .head_size = 4, .ffn = 9, .dtype = PARE_DTYPE_BF16}, false);
}

/* Layers without attention, without FFN, and without either. */
static void halves_may_be_missing(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 4, 24}, {0, 0, 24}, {4, 4, 0}, {0, 0, 0}};
    check_gradients((tiny_model){.layers = 4, .widths = widths}, false);
}

static void zeros_have_no_gradient(void **state) {
    (void)state;
    check_gradients((tiny_model){.kv_heads = 2}, true);
}

/* The start is the file's weights, bit for bit: what is not trained away is written as it was. */
static void the_start_is_what_is_stored(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_pass t = tiny_trained_open((tiny_model){.dtype = (pare_dtype)dtype}, true, 1, 4);
        pare_trained *full = make(&t, (pare_full_options){0});
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            const pare_tensor *tensor = t.model->tensors[id];
            float *merged = tiny_merged(full, id, 3);
            for (size_t i = 0; i < tensor->count; i++)
                assert_true((double)merged[i] == stored_at(tensor, i));
            free(merged);
        }
        pare_trained_free(full);
        tiny_pass_close(&t);
    }
}

/* Square root of the mean square, over that of `expected`. */
static double relative_deviation(const float *values, size_t count, double expected) {
    double squares = 0.0;
    for (size_t i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    return sqrt(squares / (double)count) / expected;
}

static void a_fresh_start_forgets_the_model(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){.layers = 3, .hidden = 64, .ffn = 64, .scale = 3.0}, false, 1, 4);
    pare_trained *full = make(&t, (pare_full_options){.fresh = true, .seed = 4}),
                 *again = make(&t, (pare_full_options){.fresh = true, .seed = 4}),
                 *other = make(&t, (pare_full_options){.fresh = true, .seed = 5});
    assert_memory_equal(full->value, again->value, full->count * sizeof(float));
    assert_true(memcmp(full->value, other->value, full->count * sizeof(float)) != 0);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        const pare_tensor *tensor = t.model->tensors[id];
        uint32_t layer;
        pare_role role = PARE_LAYER_ROLES;
        bool adds = pare_tensor_id_split(t.model, id, &layer, &role) && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN);
        float *start = tiny_merged(full, id, 9);
        /* 2048 numbers at least: their deviation is right to 1 / sqrt(2 n) = 1.6 %. */
        if (tensor->rank == 2)
            assert_true(fabs(relative_deviation(start, tensor->count, 0.02 / (adds ? sqrt(6.0) : 1.0)) - 1.0) < 0.08);
        for (size_t i = 0; tensor->rank == 1 && i < tensor->count; i++)
            assert_true(start[i] == 1.0f);
        free(start);
    }
    pare_trained_free(full);
    pare_trained_free(again);
    pare_trained_free(other);
    tiny_pass_close(&t);
}

static void a_fresh_start_can_keep_zeros(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){0}, true, 1, 4);
    pare_trained *full = make(&t, (pare_full_options){.fresh = true, .keep_zeros = true});
    size_t at = 0;
    for (size_t id = 0; id < t.model->tensor_count; at += t.model->tensors[id]->count, id++)
        for (size_t i = 0; i < t.model->tensors[id]->count; i++)
            assert_int_equal(fabsf(full->value[at + i]) > 0.0f, fabs(stored_at(t.model->tensors[id], i)) > 0.0);
    pare_trained_free(full);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss), cmocka_unit_test(halves_may_be_missing),
        cmocka_unit_test(zeros_have_no_gradient),          cmocka_unit_test(the_start_is_what_is_stored),
        cmocka_unit_test(a_fresh_start_forgets_the_model), cmocka_unit_test(a_fresh_start_can_keep_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
