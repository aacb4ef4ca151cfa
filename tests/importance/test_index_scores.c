/* Every salience, summed to units, against the oracle's values: for every layout of heads and every stored type, with
 * the rows of a gradient in one piece, in any other pieces, and on any number of threads. */
#include "importance/counted_model.h"

#include <omp.h>

/* Every salience that rows of a gradient can bring is among the oracle's cases, but that with random draws. */
static void no_salience_is_missing(void **state) {
    (void)state;
    json_t *golden = load_json(UNITS_GOLDEN), *entry, *of_layout;
    size_t i, at, known = 0;
    for (size_t s = 0; pare_salience_name(s); s++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(s));
        bool rows = !(salience->needs & (PARE_NEEDS_OUTPUTS | PARE_NEEDS_INVERSE | PARE_NEEDS_WHOLE)), found = false;
        json_array_foreach(json_object_get(golden, "layouts"), i, entry)
            json_array_foreach(json_object_get(entry, "cases"), at, of_layout) found =
                found || strcmp(json_string_value(json_object_get(of_layout, "salience")), salience->name) == 0;
        if (salience != &pare_salience_stochria && rows != found) fail_msg("%s", salience->name);
        known += found;
    }
    assert_true(known >= 13);
    json_decref(golden);
}

static void units_equal_the_oracle(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++)
        counted_check("layouts", (pare_dtype)dtype, counted_compare_widths);
}

/* Rows longer than any internal piece, and widths that differ from layer to layer. */
static void long_rows_and_uneven_layers(void **state) {
    (void)state;
    counted_check("long", PARE_DTYPE_F32, counted_compare_widths);
}

/* bits: compare bit for bit where sums have one order whatever the pieces. */
static void compare_indices(const counted_model *p, const pare_index_scores *a, const pare_index_scores *b, bool bits) {
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
    counted_model p =
        counted_model_open((tiny_model){.hidden = 14, .heads = 6, .kv_heads = 2, .head_size = 10, .ffn = 31});
    for (size_t s = 0; s < sizeof saliences / sizeof *saliences; s++) {
        pare_index_scores whole = counted_add(&p, saliences[s], PARE_AXIS_WIDTHS, 0);
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            pare_index_scores parts = counted_add(&p, saliences[s], PARE_AXIS_WIDTHS, pieces[i]);
            compare_indices(&p, &whole, &parts, false);
            pare_index_scores_free(&parts);
        }
        pare_index_scores_free(&whole);
    }
    counted_model_close(&p);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    counted_model p =
        counted_model_open((tiny_model){.layers = 1, .hidden = 2051, .heads = 2, .head_size = 4, .ffn = 300});
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    pare_index_scores one = counted_add(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, 0);
    for (int threads = 2; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        pare_index_scores more = counted_add(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, 0);
        compare_indices(&p, &one, &more, true);
        pare_index_scores_free(&more);
    }
    omp_set_num_threads(before);
    pare_index_scores_free(&one);
    counted_model_close(&p);
}

/* Rows of a gradient bring neither outputs nor an inverse, nor all of the gradient before the first score. */
static void signals_that_rows_cannot_bring_are_refused(void **state) {
    (void)state;
    static const pare_salience *const saliences[] = {&pare_salience_inverse, &pare_salience_pruner_zero,
                                                     &pare_salience_symwanda, &pare_salience_owanda};
    counted_model p = counted_model_open((tiny_model){.layers = 1});
    size_t id = pare_tensor_id(0, PARE_ROLE_Q);
    pare_row_signals signals = {.gradient = p.gradient[id], .squares = p.squares[id], .inputs = p.inputs[id]};
    for (size_t i = 0; i < sizeof saliences / sizeof *saliences; i++) {
        pare_index_scores scores;
        assert_int_equal(pare_index_scores_new(p.model, saliences[i], PARE_AXIS_WIDTHS, &scores), PARE_OK);
        assert_int_equal(pare_index_scores_add(&scores, id, 0, 1, &signals), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), saliences[i]->name));
        pare_index_scores_free(&scores);
    }
    counted_model_close(&p);
}

/* A salience's constants may be set for all of its tensors. */
static void constants_are_read(void **state) {
    (void)state;
    counted_model p = counted_model_open((tiny_model){.layers = 1});
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
    counted_model_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_salience_is_missing),      cmocka_unit_test(units_equal_the_oracle),
        cmocka_unit_test(long_rows_and_uneven_layers), cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),       cmocka_unit_test(signals_that_rows_cannot_bring_are_refused),
        cmocka_unit_test(constants_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
