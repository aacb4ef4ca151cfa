/* How coupled tensors become one number: every reduction, the members' order with separate and with shared keys, both
 * alignments of query heads, and the score of a whole layer. */
#include "importance/plain_scores.h"

static const tiny_model layouts[] = {
    {.layers = 1, .hidden = 12, .heads = 3, .head_size = 6, .ffn = 7, .scale = 0.4},
    {.layers = 1, .hidden = 12, .heads = 6, .kv_heads = 2, .head_size = 6, .ffn = 7, .scale = 0.4},
    {.layers = 1, .hidden = 10, .heads = 4, .kv_heads = 1, .head_size = 4, .ffn = 2, .scale = 0.4},
};

static void check(const plain *p, const pare_salience *salience, pare_reduction reduction, pare_alignment alignment) {
    const pare_widths *w = &p->model->config.widths[0];
    pare_unit_scores units = plain_units(p, salience, PARE_AXIS_WIDTHS, reduction, alignment);
    double heads[16];
    plain_heads(p, salience, 0, reduction, alignment, heads);
    for (uint32_t i = 0; i < w->kv_heads; i++)
        assert_close("head", units.heads[0][i], heads[i], plain_bound(salience));
    for (uint32_t i = 0; i < w->heads; i++)
        assert_close("query", units.query[0][i], plain_query(p, salience, 0, i, reduction), plain_bound(salience));
    for (uint32_t i = 0; i < w->ffn; i++)
        assert_close("channel", units.ffn[0][i], plain_channel(p, salience, 0, i, reduction), plain_bound(salience));
    pare_unit_scores_free(&units);
}

static void every_reduction(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        plain p = plain_open(layouts[i]);
        for (int reduction = PARE_REDUCE_SUM; reduction <= PARE_REDUCE_SECOND; reduction++)
            for (int alignment = PARE_ALIGN_GROUP; alignment <= PARE_ALIGN_STRIDED; alignment++) {
                check(&p, &pare_salience_first_order, (pare_reduction)reduction, (pare_alignment)alignment);
                check(&p, &pare_salience_vectorize, (pare_reduction)reduction, (pare_alignment)alignment);
            }
        plain_close(&p);
    }
}

/* first and second are one tensor each: Q and O with separate keys, K and O where keys are shared, gate and up. */
static void first_and_second_name_a_tensor(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        plain p = plain_open(layouts[i]);
        int64_t h = p.model->config.head_size;
        size_t root = pare_tensor_id(0, i == 0 ? PARE_ROLE_Q : PARE_ROLE_K), gate = pare_tensor_id(0, PARE_ROLE_GATE);
        double root_sum = 0.0, o_sum = 0.0;
        const pare_widths *w = &p.model->config.widths[0];
        for (int64_t row = h; row < 2 * h; row++)
            root_sum += plain_index(&p, &pare_salience_absolute, root, false, row);
        for (int64_t column = h * w->heads / w->kv_heads; column < 2 * h * w->heads / w->kv_heads; column++)
            o_sum += plain_index(&p, &pare_salience_absolute, pare_tensor_id(0, PARE_ROLE_O), true, column);
        pare_unit_scores first =
            plain_units(&p, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_FIRST, PARE_ALIGN_GROUP);
        pare_unit_scores second =
            plain_units(&p, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_SECOND, PARE_ALIGN_GROUP);
        assert_close("first", first.heads[0][1], root_sum, 1e-5);
        assert_close("second", second.heads[0][1], o_sum, 1e-5);
        assert_close("gate", first.ffn[0][1], plain_index(&p, &pare_salience_absolute, gate, false, 1), 1e-5);
        assert_close("up", second.ffn[0][1],
                     plain_index(&p, &pare_salience_absolute, pare_tensor_id(0, PARE_ROLE_UP), false, 1), 1e-5);
        pare_unit_scores_free(&first);
        pare_unit_scores_free(&second);
        plain_close(&p);
    }
}

/* The strided sum differs where keys are shared, and nowhere else; the total is the same. */
static void the_misaligned_sum_is_another(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        plain p = plain_open(layouts[i]);
        const pare_widths *w = &p.model->config.widths[0];
        pare_unit_scores own =
            plain_units(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
        pare_unit_scores strided =
            plain_units(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_STRIDED);
        double total = 0.0, total_strided = 0.0, apart = 0.0;
        for (uint32_t j = 0; j < w->kv_heads; j++) {
            total += own.heads[0][j];
            total_strided += strided.heads[0][j];
            apart = fmax(apart, fabs(own.heads[0][j] - strided.heads[0][j]));
        }
        assert_close("total", total_strided, total, 1e-12);
        assert_int_equal(apart > 1e-3 * total, w->heads != w->kv_heads && w->kv_heads > 1);
        pare_unit_scores_free(&own);
        pare_unit_scores_free(&strided);
        plain_close(&p);
    }
}

/* All indices of all seven matrices, whatever the reduction. */
static void a_layer_is_the_sum_of_its_indices(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        plain p = plain_open(layouts[i]);
        const pare_config *c = &p.model->config;
        double expected = 0.0;
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
            int64_t rows, columns;
            pare_tensor_matrix(p.model->tensors[pare_tensor_id(0, role)], &rows, &columns);
            for (int64_t j = 0; j < (by_column ? columns : rows); j++)
                expected += plain_index(&p, &pare_salience_vectorize, pare_tensor_id(0, role), by_column, j);
        }
        assert_int_equal(c->layers, 1);
        for (int reduction = PARE_REDUCE_SUM; reduction <= PARE_REDUCE_SECOND; reduction++) {
            pare_unit_scores units = plain_units(&p, &pare_salience_vectorize, PARE_AXIS_WIDTHS,
                                                 (pare_reduction)reduction, PARE_ALIGN_GROUP);
            assert_close("layer", units.layer[0], expected, 1e-4);
            pare_unit_scores_free(&units);
        }
        plain_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reduction),
        cmocka_unit_test(first_and_second_name_a_tensor),
        cmocka_unit_test(the_misaligned_sum_is_another),
        cmocka_unit_test(a_layer_is_the_sum_of_its_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
