/* Shares of 0 and 1, the shortest calibration there is, inputs that are always 0, and weights that are no numbers. */
#include "prune/sparse_run.h"

static void fills(const pare_model *after, int64_t expected_share) {
    int64_t all, zeros = sparse_run_zeros_of_model(after, &all);
    assert_int_equal(zeros, all * expected_share);
}

/* The weights file, but for its header, is the input's byte for byte: nothing to prune leaves nothing to repair. */
static void nothing_goes(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++) {
        tiny_model tiny = sparse_tiny;
        tiny.dtype = i % 2 ? PARE_DTYPE_F32 : PARE_DTYPE_BF16;
        prune_run r = sparse_run_open(tiny, sparse_run_method(i), 0.0);
        prune_run_do(&r);
        pare_model *after = sparse_run_model(r.output);
        for (size_t id = 0; id < after->tensor_count; id++) {
            bool same = memcmp(r.model->tensors[id]->data, after->tensors[id]->data,
                               after->tensors[id]->count * pare_dtype_size(after->tensors[id]->dtype)) == 0;
            if (!same) fprintf(stderr, "%s changes %s\n", sparse_run_method(i), after->tensors[id]->name);
            assert_true(same);
        }
        pare_model_close(after);
        prune_run_close(&r);
    }
}

static void everything_goes(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++) {
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 1.0);
        prune_run_do(&r);
        pare_model *after = sparse_run_model(r.output);
        fills(after, 1);
        pare_model_close(after);
        prune_run_close(&r);
    }
}

/* One sequence of two tokens; fewer make no prediction and are refused. */
static void two_tokens(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++) {
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 0.5);
        tiny_write_text(r.folder, "ids.json", "[[3, 4]]");
        prune_run_do(&r);
        pare_model *after = sparse_run_model(r.output);
        int64_t all, zeros = sparse_run_zeros_of_model(after, &all);
        assert_close(sparse_run_method(i), (double)zeros / (double)all, 0.5, 0.12);
        pare_model_close(after);
        tiny_write_text(r.folder, "ids.json", "[[3]]");
        pare_recipe recipe;
        assert_int_equal(pare_recipe_resolve(&r.options, &recipe), PARE_OK);
        assert_int_equal(prune_run_try(&r), pare_recipe_needs_data(&recipe) ? PARE_BAD_ARGUMENT : PARE_OK);
        prune_run_close(&r);
    }
}

/* Overwrites float `at` of every row of a tensor in the only weights file. */
static void write_column(const prune_run *r, const char *name, int64_t at, float value) {
    char *path = pare_path_join(r->model_folder, "model.safetensors");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    unsigned char length[8];
    assert_int_equal(fread(length, 1, 8, file), 8);
    uint64_t bytes = 0;
    for (int i = 7; i >= 0; i--)
        bytes = bytes << 8 | length[i];
    char *header = calloc(bytes + 1, 1);
    assert_int_equal(fread(header, 1, bytes, file), bytes);
    json_t *json = json_loads(header, 0, NULL), *tensor = json_object_get(json, name);
    json_t *shape = json_object_get(tensor, "shape");
    int64_t rows = json_array_size(shape) == 2 ? json_integer_value(json_array_get(shape, 0)) : 1;
    int64_t columns = json_integer_value(json_array_get(shape, json_array_size(shape) - 1));
    int64_t first = json_integer_value(json_array_get(json_object_get(tensor, "data_offsets"), 0));
    for (int64_t row = 0; row < rows; row++) {
        assert_int_equal(fseek(file, (long)(8 + (int64_t)bytes + first + (row * columns + at) * 4), SEEK_SET), 0);
        assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    }
    fclose(file);
    free(header);
    free(path);
    json_decref(json);
}

static void reopen(prune_run *r) {
    pare_model_close(r->model);
    r->model = sparse_run_model(r->model_folder);
}

/* A channel that is 0 in both norms: half of the weights go all the same. */
static void dead_channels(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++) {
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 0.5);
        for (int64_t at = 2; at < 9; at += 3) {
            write_column(&r, "model.layers.0.input_layernorm.weight", at, 0.0f);
            write_column(&r, "model.layers.1.post_attention_layernorm.weight", at, 0.0f);
            write_column(&r, "model.embed_tokens.weight", at + 1, 0.0f);
        }
        reopen(&r);
        prune_run_do(&r);
        pare_model *after = sparse_run_model(r.output);
        int64_t all, zeros = sparse_run_zeros_of_model(after, &all);
        assert_close(sparse_run_method(i), (double)zeros / (double)all, 0.5, 0.12);
        pare_model_close(after);
        prune_run_close(&r);
    }
}

static void no_numbers(void **state) {
    (void)state;
    static const float values[] = {NAN, INFINITY};
    for (size_t i = 0; sparse_run_method(i); i++) {
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 0.5);
        write_column(&r, "model.layers.1.mlp.up_proj.weight", 5, values[i % 2]);
        reopen(&r);
        assert_int_equal(prune_run_try(&r), PARE_NUMERIC_ERROR);
        prune_run_assert_holds(r.folder, "ids.json model ");
        prune_run_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes),  cmocka_unit_test(everything_goes), cmocka_unit_test(two_tokens),
        cmocka_unit_test(dead_channels), cmocka_unit_test(no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
