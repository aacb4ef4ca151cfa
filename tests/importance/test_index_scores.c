/* Scores of units against a plain double loop, for every layout of heads and every stored type, with the rows of a
 * gradient in one piece, in any other pieces, and on any number of threads. */
#include "golden.h"
#include "importance/scores.h"
#include "tiny_model.h"

#include <omp.h>

typedef struct fixture {
    char *folder;
    pare_model *model;
    float **signal; /* [tensor_count] */
    float signal_scale;
} fixture;

static fixture open_model(tiny_model tiny) {
    fixture f = {.folder = tiny_model_write(tiny), .signal_scale = 0.37f};
    uint64_t state = 5;
    assert_int_equal(pare_model_open(f.folder, &f.model), PARE_OK);
    f.signal = calloc(f.model->tensor_count, sizeof *f.signal);
    for (size_t id = 0; id < f.model->tensor_count; id++) {
        f.signal[id] = malloc(f.model->tensors[id]->count * sizeof(float));
        for (size_t i = 0; i < f.model->tensors[id]->count; i++)
            f.signal[id][i] = (float)tiny_normal(&state);
    }
    return f;
}

static void close_model(fixture *f) {
    for (size_t id = 0; id < f->model->tensor_count; id++)
        free(f->signal[id]);
    free(f->signal);
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

static double element(const fixture *f, const pare_salience *salience, size_t id, int64_t row, int64_t column) {
    const pare_tensor *tensor = f->model->tensors[id];
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    size_t at = (size_t)(row * columns + column);
    float weight;
    pare_to_float(&weight, (const char *)tensor->data + at * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
    if (salience == &pare_salience_absolute) return fabs((double)weight);
    if (salience == &pare_salience_square) return (double)weight * (double)weight;
    return fabs((double)weight * (double)f->signal[id][at] * (double)f->signal_scale);
}

/* Rows or columns [first, first + count) of a matrix. */
static double stretch(const fixture *f, const pare_salience *salience, size_t id, bool by_column, int64_t first,
                      int64_t count) {
    int64_t rows, columns;
    double total = 0.0;
    pare_tensor_matrix(f->model->tensors[id], &rows, &columns);
    for (int64_t row = by_column ? 0 : first; row < (by_column ? rows : first + count); row++)
        for (int64_t column = by_column ? first : 0; column < (by_column ? first + count : columns); column++)
            total += element(f, salience, id, row, column);
    return total;
}

static double naive_head(const fixture *f, const pare_salience *salience, uint32_t layer, int64_t unit) {
    int64_t h = f->model->config.head_size, shared = pare_widths_shared(&f->model->config.widths[layer]),
            group = shared * h;
    return stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_Q), false, unit * group, group) +
           stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_K), false, unit * h, h) +
           stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_V), false, unit * h, h) +
           stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_O), true, unit * group, group);
}

static double naive_channel(const fixture *f, const pare_salience *salience, uint32_t layer, int64_t unit) {
    return stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_GATE), false, unit, 1) +
           stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_UP), false, unit, 1) +
           stretch(f, salience, pare_tensor_id(layer, PARE_ROLE_DOWN), true, unit, 1);
}

/* Adds every tensor in pieces of `piece` rows (0: whole), norms and embedding too, which must be ignored. */
static void add_all(const fixture *f, const pare_salience *salience, int64_t piece, pare_index_scores *out) {
    assert_int_equal(pare_index_scores_new(f->model, out), PARE_OK);
    for (size_t id = 0; id < f->model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(f->model->tensors[id], &rows, &columns);
        int64_t step = piece ? piece : rows;
        for (int64_t first = 0; first < rows; first += step)
            assert_int_equal(
                pare_index_scores_add(out, f->model, salience, id, first, rows - first < step ? rows - first : step,
                                      salience->needs_signal ? f->signal[id] + first * columns : NULL, f->signal_scale),
                PARE_OK);
    }
}

static void compare(const fixture *f, const pare_salience *salience, pare_reduction reduction) {
    pare_index_scores indices;
    pare_unit_scores units;
    double heads = reduction == PARE_REDUCE_MEAN ? 4.0 : 1.0, ffn = reduction == PARE_REDUCE_MEAN ? 3.0 : 1.0;
    add_all(f, salience, 0, &indices);
    assert_int_equal(pare_unit_scores_new(f->model, &units), PARE_OK);
    pare_unit_scores_reduce(&indices, f->model, reduction, &units);
    for (uint32_t layer = 0; layer < f->model->config.layers; layer++) {
        for (uint32_t i = 0; i < f->model->config.widths[layer].kv_heads; i++)
            assert_close("head", units.heads[layer][i], naive_head(f, salience, layer, i) / heads, 1e-6);
        for (uint32_t i = 0; i < f->model->config.widths[layer].ffn; i++)
            assert_close("channel", units.ffn[layer][i], naive_channel(f, salience, layer, i) / ffn, 1e-6);
    }
    pare_unit_scores_free(&units);
    pare_index_scores_free(&indices);
}

static void compare_all(tiny_model tiny) {
    fixture f = open_model(tiny);
    compare(&f, &pare_salience_first_order, PARE_REDUCE_SUM);
    compare(&f, &pare_salience_first_order, PARE_REDUCE_MEAN);
    compare(&f, &pare_salience_absolute, PARE_REDUCE_MEAN);
    compare(&f, &pare_salience_square, PARE_REDUCE_SUM);
    close_model(&f);
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
    static const pare_widths widths[] = {{4, 2, 2053}, {2, 1, 3}, {6, 3, 17}};
    compare_all((tiny_model){.layers = 3, .hidden = 8, .heads = 4, .head_size = 6, .widths = widths});
    compare_all((tiny_model){.layers = 1, .hidden = 2051, .heads = 2, .head_size = 2, .ffn = 3, .vocabulary = 4});
}

/* bits: compare bit for bit where sums have one order whatever the pieces. */
static void compare_indices(const fixture *f, const pare_index_scores *a, const pare_index_scores *b, bool bits) {
    for (uint32_t layer = 0; layer < a->layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            const pare_widths *w = &f->model->config.widths[layer];
            size_t count = role >= PARE_ROLE_GATE ? w->ffn : (size_t)w->kv_heads * f->model->config.head_size;
            bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
            for (size_t i = 0; i < count; i++) {
                double x = a->by_role[layer][role][i], y = b->by_role[layer][role][i];
                assert_true(x > 0.0);
                assert_true(bits || !by_column ? memcmp(&x, &y, sizeof x) == 0 : fabs(x - y) <= 1e-14 * y);
            }
        }
}

static void pieces_do_not_matter(void **state) {
    (void)state;
    static const int64_t pieces[] = {1, 2, 3, 5, 11};
    fixture f = open_model((tiny_model){.hidden = 14, .heads = 6, .kv_heads = 2, .head_size = 10, .ffn = 31});
    pare_index_scores whole, parts;
    add_all(&f, &pare_salience_first_order, 0, &whole);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        add_all(&f, &pare_salience_first_order, pieces[i], &parts);
        compare_indices(&f, &whole, &parts, false);
        pare_index_scores_free(&parts);
    }
    pare_index_scores_free(&whole);
    close_model(&f);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    fixture f = open_model((tiny_model){.layers = 1, .hidden = 2051, .heads = 2, .head_size = 4, .ffn = 1100});
    pare_index_scores one, more;
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    add_all(&f, &pare_salience_first_order, 0, &one);
    for (int threads = 2; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        add_all(&f, &pare_salience_first_order, 0, &more);
        compare_indices(&f, &one, &more, true);
        pare_index_scores_free(&more);
    }
    omp_set_num_threads(before);
    pare_index_scores_free(&one);
    close_model(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_equal_a_plain_loop),
        cmocka_unit_test(long_rows_and_uneven_layers),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
