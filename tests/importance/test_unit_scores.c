/* Which unit a query head counts for, random scores, and scores that are no numbers. */
#include "golden.h"
#include "importance/scores.h"
#include "support/memory.h"

enum { LAYERS = 3 };

/* A model that is nothing but its widths. */
static pare_model widths_only(pare_widths *widths, uint32_t layers, uint32_t head) {
    return (pare_model){.config = {.layers = layers, .head_size = head, .widths = widths}};
}

/* One index of one query head at a time: all of its score goes to the key/value head that it is removed with. */
static void query_heads_count_for_their_own_group(void **state) {
    (void)state;
    enum { HEAD = 6, GROUPS = 3, SHARED = 4 };
    pare_widths widths[1] = {{GROUPS * SHARED, GROUPS, 2}};
    pare_model model = widths_only(widths, 1, HEAD);
    uint64_t rows = GROUPS * SHARED * HEAD;
    float weights[GROUPS * SHARED * HEAD];
    pare_tensor q = {.dtype = PARE_DTYPE_F32, .rank = 2, .shape = {rows, 1}, .count = rows, .data = weights};
    const pare_tensor *tensors[1 + PARE_LAYER_ROLES + 1] = {NULL};
    tensors[pare_tensor_id(0, PARE_ROLE_Q)] = &q;
    model.tensors = tensors;
    model.tensor_count = sizeof tensors / sizeof *tensors;
    for (uint64_t row = 0; row < rows; row++) {
        pare_index_scores indices;
        pare_unit_scores units;
        memset(weights, 0, sizeof weights);
        weights[row] = 2.0f;
        assert_int_equal(pare_index_scores_new(&model, &pare_salience_absolute, PARE_AXIS_WIDTHS, &indices), PARE_OK);
        assert_int_equal(pare_unit_scores_new(&model, &units), PARE_OK);
        assert_int_equal(pare_index_scores_add(&indices, pare_tensor_id(0, PARE_ROLE_Q), 0, (int64_t)rows, NULL),
                         PARE_OK);
        pare_unit_scores_reduce(&indices, PARE_REDUCE_SUM, PARE_ALIGN_GROUP, &units);
        for (uint64_t unit = 0; unit < GROUPS; unit++)
            assert_true(units.heads[0][unit] == (unit == row / HEAD / SHARED ? 2.0 : 0.0));
        pare_unit_scores_free(&units);
        pare_index_scores_free(&indices);
    }
}

static void random_is_a_function_of_seed_layer_and_unit(void **state) {
    (void)state;
    pare_widths small[LAYERS] = {{4, 2, 50}, {4, 2, 50}, {4, 2, 50}},
                large[LAYERS] = {{9, 9, 80}, {4, 2, 50}, {8, 4, 51}};
    pare_model a = widths_only(small, LAYERS, 8), b = widths_only(large, LAYERS, 6);
    pare_unit_scores first, second, other;
    assert_int_equal(pare_unit_scores_new(&a, &first), PARE_OK);
    assert_int_equal(pare_unit_scores_new(&b, &second), PARE_OK);
    assert_int_equal(pare_unit_scores_new(&a, &other), PARE_OK);
    pare_unit_scores_random(&a, 7, &first);
    pare_unit_scores_random(&b, 7, &second);
    pare_unit_scores_random(&a, 8, &other);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        assert_memory_equal(first.heads[layer], second.heads[layer], 2 * sizeof(double));
        assert_memory_equal(first.ffn[layer], second.ffn[layer], 50 * sizeof(double));
        assert_memory_not_equal(first.heads[layer], other.heads[layer], 2 * sizeof(double));
        assert_memory_not_equal(first.ffn[layer], other.ffn[layer], 50 * sizeof(double));
    }
    assert_memory_not_equal(first.ffn[0], first.ffn[1], 50 * sizeof(double));
    assert_memory_not_equal(first.ffn[0], first.heads[0], 2 * sizeof(double));
    pare_unit_scores_free(&first);
    pare_unit_scores_free(&second);
    pare_unit_scores_free(&other);
}

/* Chi-square over 100 bins, 99 degrees of freedom: 1e-6 of all seeds lie beyond 175. */
static void random_is_uniform(void **state) {
    (void)state;
    enum { UNITS = 100000, BINS = 100 };
    pare_widths widths[1] = {{UNITS, UNITS, UNITS}};
    pare_model model = widths_only(widths, 1, 1);
    pare_unit_scores scores;
    assert_int_equal(pare_unit_scores_new(&model, &scores), PARE_OK);
    for (uint64_t seed = 0; seed < 4; seed++) {
        pare_unit_scores_random(&model, seed, &scores);
        for (int kind = 0; kind < 2; kind++) {
            const double *values = kind ? scores.heads[0] : scores.ffn[0];
            double counts[BINS] = {0}, chi = 0.0;
            for (int i = 0; i < UNITS; i++) {
                assert_true(values[i] >= 0.0 && values[i] < 1.0);
                counts[(int)(values[i] * (double)BINS)] += 1.0;
            }
            for (int bin = 0; bin < BINS; bin++)
                chi += (counts[bin] - UNITS / BINS) * (counts[bin] - UNITS / BINS) / (UNITS / BINS);
            assert_true(chi < 175.0 && chi > 45.0);
        }
    }
    pare_unit_scores_free(&scores);
}

static void what_is_no_number_is_refused(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{4, 2, 5}, {4, 2, 5}, {4, 2, 5}};
    pare_model model = widths_only(widths, LAYERS, 8);
    pare_unit_scores scores;
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    assert_int_equal(pare_unit_scores_new(&model, &scores), PARE_OK);
    assert_int_equal(pare_unit_scores_check(&scores, &model), PARE_OK);
    for (uint32_t layer = 0; layer < LAYERS; layer++)
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            for (uint32_t unit = 0; unit < 7; unit++) {
                double *score = unit < 5 ? &scores.ffn[layer][unit] : &scores.heads[layer][unit - 5];
                char place[64];
                snprintf(place, sizeof place, "%s %u in layer %u", unit < 5 ? "FFN channel" : "key/value group",
                         unit < 5 ? unit : unit - 5, layer);
                *score = bad[i];
                assert_int_equal(pare_unit_scores_check(&scores, &model), PARE_NUMERIC_ERROR);
                assert_non_null(strstr(pare_message(), place));
                *score = 1.0;
            }
    assert_int_equal(pare_unit_scores_check(&scores, &model), PARE_OK);
    pare_unit_scores_free(&scores);
}

static void freeing_leaves_nothing(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{4, 2, 5}, {6, 3, 7}, {4, 4, 1}};
    pare_model model = widths_only(widths, LAYERS, 8);
    uint64_t before = pare_memory_current();
    pare_index_scores indices;
    pare_unit_scores units;
    assert_int_equal(pare_index_scores_new(&model, &pare_salience_absolute, PARE_AXIS_WIDTHS, &indices), PARE_OK);
    assert_int_equal(pare_unit_scores_new(&model, &units), PARE_OK);
    assert_true(pare_memory_current() > before);
    pare_index_scores_free(&indices);
    pare_unit_scores_free(&units);
    assert_true(pare_memory_current() == before);
    pare_index_scores_free(&indices);
    pare_unit_scores_free(&units);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_heads_count_for_their_own_group),
        cmocka_unit_test(random_is_a_function_of_seed_layer_and_unit),
        cmocka_unit_test(random_is_uniform),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(freeing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
