/* Every salience, summed to units, against plain loops: for every layout of heads and every stored type, with the rows
 * of a gradient in one piece, in any other pieces, and on any number of threads. */
#include "importance/plain_scores.h"

#include <omp.h>

static void compare(const plain *p, const pare_salience *salience, pare_reduction reduction) {
    pare_unit_scores units = plain_units(p, salience, PARE_AXIS_WIDTHS, reduction, PARE_ALIGN_GROUP);
    double bound = plain_bound(salience);
    for (uint32_t layer = 0; layer < p->model->config.layers; layer++) {
        const pare_widths *w = &p->model->config.widths[layer];
        double heads[64];
        plain_heads(p, salience, layer, reduction, PARE_ALIGN_GROUP, heads);
        for (uint32_t i = 0; i < w->kv_heads; i++)
            assert_close(salience->name, units.heads[layer][i], heads[i], bound);
        for (uint32_t i = 0; i < w->heads; i++)
            assert_close(salience->name, units.query[layer][i], plain_query(p, salience, layer, i, reduction), bound);
        for (uint32_t i = 0; i < w->ffn; i++)
            assert_close(salience->name, units.ffn[layer][i], plain_channel(p, salience, layer, i, reduction), bound);
    }
    pare_unit_scores_free(&units);
}

static void compare_all(tiny_model tiny) {
    plain p = plain_open(tiny);
    for (size_t i = 0; pare_salience_name(i); i++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(i));
        if (plain_knows(salience)) compare(&p, salience, PARE_REDUCE_SUM);
    }
    plain_close(&p);
}

static const tiny_model layouts[] = {
    {.heads = 4},
    {.hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 7},
    {.hidden = 14, .heads = 6, .kv_heads = 2, .head_size = 10, .ffn = 31, .tied = true},
    {.hidden = 9, .heads = 8, .kv_heads = 2, .head_size = 14, .ffn = 5, .shards = 2},
    {.hidden = 16, .heads = 3, .kv_heads = 1, .head_size = 2, .ffn = 1},
};

static void units_equal_a_plain_loop(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (int dtype = 0; dtype < 3; dtype++) {
            tiny_model tiny = layouts[i];
            tiny.dtype = (pare_dtype)dtype;
            compare_all(tiny);
        }
}

/* Rows longer than any internal piece, and widths that differ from layer to layer. */
static void long_rows_and_uneven_layers(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 1031}, {2, 1, 3}, {6, 3, 17}};
    const tiny_model layouts_of_it[] = {
        {.layers = 3, .hidden = 8, .heads = 4, .head_size = 6, .widths = widths},
        {.layers = 1, .hidden = 1029, .heads = 2, .head_size = 2, .ffn = 3, .vocabulary = 4},
    };
    for (size_t i = 0; i < 2; i++) {
        plain p = plain_open(layouts_of_it[i]);
        compare(&p, &pare_salience_first_order, PARE_REDUCE_SUM);
        compare(&p, &pare_salience_activation, PARE_REDUCE_MEAN);
        plain_close(&p);
    }
}

/* bits: compare bit for bit where sums have one order whatever the pieces. */
static void compare_indices(const plain *p, const pare_index_scores *a, const pare_index_scores *b, bool bits) {
    uint32_t layer;
    pare_role role;
    for (size_t id = 0; id < p->model->tensor_count; id++) {
        bool matrix = pare_tensor_id_split(p->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
        assert_int_equal(a->by_tensor[id] != NULL, matrix);
        if (!matrix) continue;
        int64_t rows, columns;
        pare_tensor_matrix(p->model->tensors[id], &rows, &columns);
        bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
        for (int64_t i = 0; i < (by_column ? columns : rows); i++) {
            double x = a->by_tensor[id][i], y = b->by_tensor[id][i];
            assert_true(x > 0.0);
            assert_true(bits || !by_column ? memcmp(&x, &y, sizeof x) == 0 : fabs(x - y) <= 1e-14 * y);
        }
    }
}

static void pieces_do_not_matter(void **state) {
    (void)state;
    static const int64_t pieces[] = {1, 2, 3, 5, 11};
    static const pare_salience *const saliences[] = {&pare_salience_first_order, &pare_salience_mixed,
                                                     &pare_salience_activation, &pare_salience_ria,
                                                     &pare_salience_stochria};
    plain p = plain_open((tiny_model){.hidden = 14, .heads = 6, .kv_heads = 2, .head_size = 10, .ffn = 31});
    for (size_t s = 0; s < sizeof saliences / sizeof *saliences; s++) {
        pare_index_scores whole = plain_add(&p, saliences[s], PARE_AXIS_WIDTHS, 0);
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            pare_index_scores parts = plain_add(&p, saliences[s], PARE_AXIS_WIDTHS, pieces[i]);
            compare_indices(&p, &whole, &parts, false);
            pare_index_scores_free(&parts);
        }
        pare_index_scores_free(&whole);
    }
    plain_close(&p);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    plain p = plain_open((tiny_model){.layers = 1, .hidden = 2051, .heads = 2, .head_size = 4, .ffn = 300});
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    pare_index_scores one = plain_add(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, 0);
    for (int threads = 2; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        pare_index_scores more = plain_add(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, 0);
        compare_indices(&p, &one, &more, true);
        pare_index_scores_free(&more);
    }
    omp_set_num_threads(before);
    pare_index_scores_free(&one);
    plain_close(&p);
}

/* Rows of a gradient bring neither outputs nor an inverse, nor all of the gradient before the first score. */
static void signals_that_rows_cannot_bring_are_refused(void **state) {
    (void)state;
    static const pare_salience *const saliences[] = {&pare_salience_inverse, &pare_salience_pruner_zero,
                                                     &pare_salience_symwanda, &pare_salience_owanda};
    plain p = plain_open((tiny_model){.layers = 1});
    size_t id = pare_tensor_id(0, PARE_ROLE_Q);
    pare_row_signals signals = {.gradient = p.gradient[id], .squares = p.squares[id], .inputs = p.inputs[id]};
    for (size_t i = 0; i < sizeof saliences / sizeof *saliences; i++) {
        pare_index_scores scores;
        assert_int_equal(pare_index_scores_new(p.model, saliences[i], PARE_AXIS_WIDTHS, &scores), PARE_OK);
        assert_int_equal(pare_index_scores_add(&scores, id, 0, 1, &signals), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), saliences[i]->name));
        pare_index_scores_free(&scores);
    }
    plain_close(&p);
}

/* A salience's constants may be set for all of its tensors. */
static void constants_are_read(void **state) {
    (void)state;
    plain p = plain_open((tiny_model){.layers = 1});
    size_t id = pare_tensor_id(0, PARE_ROLE_Q);
    pare_row_signals signals = {.inputs = p.inputs[id]};
    pare_index_scores ri, ria;
    assert_int_equal(pare_index_scores_new(p.model, &pare_salience_ri, PARE_AXIS_WIDTHS, &ri), PARE_OK);
    assert_int_equal(pare_index_scores_new(p.model, &pare_salience_ria, PARE_AXIS_WIDTHS, &ria), PARE_OK);
    ria.constants.exponent = 0.0;
    assert_int_equal(pare_index_scores_add(&ri, id, 0, 16, &signals), PARE_OK);
    assert_int_equal(pare_index_scores_add(&ria, id, 0, 16, &signals), PARE_OK);
    assert_memory_equal(ri.by_tensor[id], ria.by_tensor[id], 16 * sizeof(double));
    pare_index_scores_free(&ri);
    pare_index_scores_free(&ria);
    plain_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_equal_a_plain_loop),
        cmocka_unit_test(long_rows_and_uneven_layers),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(signals_that_rows_cannot_bring_are_refused),
        cmocka_unit_test(constants_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
