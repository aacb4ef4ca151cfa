/* Factors in the wrong place, drawn wrongly, or merged by another formula than W + scale B A. */
#include "tiny_trained.h"

static pare_trained *make(const tiny_pass *t, const pare_lora_options *options) {
    pare_trained *lora;
    expect(pare_trained_lora(t->model, t->backend, options, &lora), PARE_OK, "");
    return lora;
}

static void a_is_uniform_and_b_is_zero(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){.hidden = 64, .ffn = 96}, false, 1, 4);
    pare_lora_options options = all_targets;
    options.rank = 16;
    pare_trained *lora = make(&t, &options);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        pare_lora_factors f = pare_lora_factors_of(lora, id);
        if (!f.rank) continue;
        double bound = 1.0 / sqrt((double)f.columns), most = 0.0, squares = 0.0, n = (double)(f.rank * f.columns);
        for (int64_t i = 0; i < f.rank * f.columns; i++) {
            double value = (double)lora->value[f.a + (size_t)i] / bound;
            most = fmax(most, fabs(value));
            squares += value * value / n;
        }
        /* n is 1024 at least: the largest of them misses the bound by 1/n on average, and the mean square, 1/3, has a
         * standard deviation of 0.3 / sqrt(n). */
        assert_true(most <= 1.0 && most > 0.98);
        assert_true(fabs(squares - 1.0 / 3.0) < 0.05);
        for (int64_t i = 0; i < f.rank * f.rows; i++)
            assert_true(lora->value[f.b + (size_t)i] == 0.0f);
    }
    pare_trained_free(lora);
    tiny_pass_close(&t);
}

/* A tensor's start depends on the seed and the tensor, not on which others there are. */
static void a_draw_depends_on_seed_and_tensor_only(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){0}, false, 1, 4);
    pare_lora_options one = {.rank = 3, .alpha = 1, .seed = 5}, other = all_targets;
    one.targets[PARE_ROLE_UP] = true;
    other.seed = 6;
    pare_trained *all = make(&t, &all_targets), *up = make(&t, &one), *moved = make(&t, &other);
    size_t id = pare_tensor_id(1, PARE_ROLE_UP), gate = pare_tensor_id(1, PARE_ROLE_GATE);
    pare_lora_factors f = pare_lora_factors_of(all, id), g = pare_lora_factors_of(up, id);
    size_t bytes = (size_t)(f.rank * f.columns) * sizeof(float);
    assert_memory_equal(all->value + f.a, up->value + g.a, bytes);
    assert_true(memcmp(all->value + f.a, moved->value + f.a, bytes) != 0);
    assert_true(memcmp(all->value + f.a, all->value + pare_lora_factors_of(all, gate).a, bytes) != 0);
    assert_int_equal(pare_lora_factors_of(up, gate).rank, 0);
    assert_int_equal(up->count, 2 * 3 * (16 + 24));
    pare_trained_free(all);
    pare_trained_free(up);
    pare_trained_free(moved);
    tiny_pass_close(&t);
}

static void check_places(const pare_trained *lora) {
    size_t next = 0;
    for (size_t id = 0; id < lora->model->tensor_count; id++) {
        pare_lora_factors f = pare_lora_factors_of(lora, id);
        uint32_t layer;
        pare_role role;
        bool matrix = pare_tensor_id_split(lora->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
        assert_int_equal(f.rank, matrix ? 3 : 0);
        assert_int_equal(lora->changes(lora, id), f.rank > 0);
        if (!f.rank) continue;
        assert_int_equal(f.a, next);
        assert_int_equal(f.b, next + (size_t)(f.rank * f.columns));
        next = f.b + (size_t)(f.rank * f.rows);
    }
    assert_int_equal(lora->count, next);
}

/* Without gaps, whatever the widths of the layers. */
static void factors_fill_the_array(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 2, 5}, {6, 3, 31}};
    tiny_pass t = tiny_trained_open(
        (tiny_model){.layers = 3, .hidden = 10, .heads = 4, .head_size = 6, .widths = widths}, false, 1, 4);
    pare_trained *lora = make(&t, &all_targets);
    check_places(lora);
    assert_true(pare_trained_lora_bytes(t.model, t.backend, &all_targets) >=
                lora->count * (2 * sizeof(float) + pare_operand_size(t.backend)));
    pare_trained_free(lora);
    tiny_pass_close(&t);
}

static void merged_is_the_formula(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_pass t = tiny_trained_open((tiny_model){.dtype = (pare_dtype)dtype, .kv_heads = 2}, true, 1, 4);
        pare_trained *lora = make(&t, &all_targets);
        tiny_move(lora, 0.1f);
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            float *merged = tiny_merged(lora, id, 5);
            for (size_t i = 0; i < t.model->tensors[id]->count; i++) {
                double size, expected = lora_formula(lora, id, i, &size);
                if (fabs((double)merged[i] - expected) > 6e-7 * size)
                    fail_msg("tensor %zu, element %zu: %g, not %g", id, i, merged[i], expected);
            }
            free(merged);
        }
        pare_trained_free(lora);
        tiny_pass_close(&t);
    }
}

/* The pass is given the factors as they are now, and gradients go where the factors are. */
static void adapters_follow_the_values(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){0}, false, 1, 4);
    pare_lora_options options = all_targets;
    options.dropout = 0.25;
    pare_trained *lora = make(&t, &options);
    tiny_move(lora, 0.1f);
    const pare_adapters *adapters = lora->adapters;
    assert_true(adapters->scale == 2.0f && adapters->dropout == 0.25f);
    assert_int_equal(adapters->seed, 5);
    assert_int_equal(adapters->rank, 3);
    for (size_t id = 0; id < t.model->tensor_count; id++) {
        pare_lora_factors f = pare_lora_factors_of(lora, id);
        const pare_adapter *adapter = &adapters->list[id];
        assert_int_equal(adapter->rank, f.rank);
        assert_ptr_equal(pare_lora_adapter(lora, id), adapter);
        if (!f.rank) continue;
        assert_memory_equal(adapter->a, lora->value + f.a, (size_t)(f.rank * f.columns) * sizeof(float));
        assert_memory_equal(adapter->b, lora->value + f.b, (size_t)(f.rank * f.rows) * sizeof(float));
        assert_ptr_equal(adapter->da, lora->gradient + f.a);
        assert_ptr_equal(adapter->db, lora->gradient + f.b);
    }
    pare_trained_free(lora);
    tiny_pass_close(&t);
}

static void refuses_what_makes_no_sense(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){0}, false, 1, 4);
    pare_trained *lora;
    pare_lora_options o = all_targets;
    o.rank = 0;
    expect(pare_trained_lora(t.model, t.backend, &o, &lora), PARE_BAD_ARGUMENT, "rank 0");
    o = all_targets;
    o.alpha = 0.0;
    expect(pare_trained_lora(t.model, t.backend, &o, &lora), PARE_BAD_ARGUMENT, "alpha 0");
    o = all_targets;
    o.dropout = 1.0;
    expect(pare_trained_lora(t.model, t.backend, &o, &lora), PARE_BAD_ARGUMENT, "dropout of 1");
    o.dropout = 0.1;
    expect(pare_trained_lora_masked(t.model, t.backend, &o, &lora), PARE_BAD_ARGUMENT, "set the dropout to 0");
    memset(o.targets, 0, sizeof o.targets);
    expect(pare_trained_lora(t.model, t.backend, &o, &lora), PARE_BAD_ARGUMENT, "no matrix");
    assert_null(lora);
    pare_trained_free(NULL);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_is_uniform_and_b_is_zero), cmocka_unit_test(a_draw_depends_on_seed_and_tensor_only),
        cmocka_unit_test(factors_fill_the_array),     cmocka_unit_test(merged_is_the_formula),
        cmocka_unit_test(adapters_follow_the_values), cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
