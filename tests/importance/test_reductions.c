/* How coupled tensors become one number, against the oracle's values: every reduction, the members' order with separate
 * and with shared keys, both alignments of query heads, and the score of a whole layer. */
#include "importance/counted_model.h"

static const tiny_model layouts[] = {
    {.layers = 1, .hidden = 12, .heads = 3, .head_size = 6, .ffn = 7},
    {.layers = 1, .hidden = 12, .heads = 6, .kv_heads = 2, .head_size = 6, .ffn = 7},
    {.layers = 1, .hidden = 10, .heads = 4, .kv_heads = 1, .head_size = 4, .ffn = 2},
};

static void every_reduction(void **state) {
    (void)state;
    counted_check("reduced", PARE_DTYPE_F32, counted_compare_widths);
}

/* Exact: a few hundred multiples of 1/64. */
static double sum_of(const counted_model *m, pare_role role, bool by_column, int64_t first, int64_t end) {
    const pare_tensor *tensor = m->model->tensors[pare_tensor_id(0, role)];
    float *w = malloc(tensor->count * sizeof *w);
    int64_t rows, columns;
    double sum = 0.0;
    pare_tensor_matrix(tensor, &rows, &columns);
    pare_to_float(w, tensor->data, tensor->dtype, tensor->count);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            if ((by_column ? j : i) >= first && (by_column ? j : i) < end) sum += fabs((double)w[i * columns + j]);
    free(w);
    return sum;
}

/* first and second are one tensor each: Q and O with separate keys, K and O where keys are shared, gate and up. */
static void first_and_second_name_a_tensor(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        counted_model m = counted_model_open(layouts[i]);
        const pare_widths *w = &m.model->config.widths[0];
        int64_t h = m.model->config.head_size, shared = w->heads / w->kv_heads * h;
        pare_unit_scores first =
            counted_units(&m, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_FIRST, PARE_ALIGN_GROUP);
        pare_unit_scores second =
            counted_units(&m, &pare_salience_absolute, PARE_AXIS_WIDTHS, PARE_REDUCE_SECOND, PARE_ALIGN_GROUP);
        assert_true(first.heads[0][1] == sum_of(&m, i == 0 ? PARE_ROLE_Q : PARE_ROLE_K, false, h, 2 * h));
        assert_true(second.heads[0][1] == sum_of(&m, PARE_ROLE_O, true, shared, 2 * shared));
        assert_true(first.ffn[0][1] == sum_of(&m, PARE_ROLE_GATE, false, 1, 2));
        assert_true(second.ffn[0][1] == sum_of(&m, PARE_ROLE_UP, false, 1, 2));
        pare_unit_scores_free(&first);
        pare_unit_scores_free(&second);
        counted_model_close(&m);
    }
}

/* The strided sum differs where keys are shared, and nowhere else; the total is the same. */
static void the_misaligned_sum_is_another(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        counted_model p = counted_model_open(layouts[i]);
        const pare_widths *w = &p.model->config.widths[0];
        pare_unit_scores own =
            counted_units(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_GROUP);
        pare_unit_scores strided =
            counted_units(&p, &pare_salience_first_order, PARE_AXIS_WIDTHS, PARE_REDUCE_SUM, PARE_ALIGN_STRIDED);
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
        counted_model_close(&p);
    }
}

/* A model of two heads of two dimensions and five channels. O: sizes 1 3 5 7, of mean 4 and squares 9 1 1 9; down: 2 4
 * 6 0 8, of mean 4 and squares 4 0 4 16 16. The signs of sums count for nothing, neither in scores nor in means. */
static void standard_scores_by_hand(void **state) {
    (void)state;
    static const double o[] = {1, -3, 5, -7}, down[] = {-2, 4, -6, 0, 8};
    double of_o = sqrt(20.0 / 3.0), of_down = sqrt(10.0);
    for (uint32_t groups = 1; groups <= 2; groups++) {
        counted_model m = counted_model_open(
            (tiny_model){.layers = 1, .hidden = 4, .heads = 2, .kv_heads = groups, .head_size = 2, .ffn = 5});
        pare_index_scores indices;
        pare_unit_scores units;
        assert_int_equal(pare_index_scores_new(m.model, &pare_salience_vectorize, PARE_AXIS_WIDTHS, &indices), PARE_OK);
        memcpy(indices.by_tensor[pare_tensor_id(0, PARE_ROLE_O)], o, sizeof o);
        memcpy(indices.by_tensor[pare_tensor_id(0, PARE_ROLE_DOWN)], down, sizeof down);
        assert_int_equal(pare_unit_scores_new(m.model, &units), PARE_OK);
        pare_unit_scores_reduce(&indices, PARE_REDUCE_STANDARD, PARE_ALIGN_GROUP, &units);
        for (uint32_t i = 0; i < 2; i++) {
            double wanted = (i == 0 ? -2.0 : 2.0) / of_o;
            assert_true(fabs(units.query[0][i] - wanted) < 1e-12);
            if (i < groups) assert_true(fabs(units.heads[0][i] - (groups == 1 ? 0.0 : wanted)) < 1e-12);
        }
        for (int i = 0; i < 5; i++)
            assert_true(fabs(units.ffn[0][i] - (fabs(down[i]) - 4.0) / of_down) < 1e-12);
        pare_unit_scores_free(&units);
        pare_index_scores_free(&indices);
        counted_model_close(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reduction),
        cmocka_unit_test(first_and_second_name_a_tensor),
        cmocka_unit_test(the_misaligned_sum_is_another),
        cmocka_unit_test(standard_scores_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
