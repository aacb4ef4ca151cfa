/* What `inspect` is told about a checkpoint, against what was written into it. */
#include "golden.h"
#include "model/model.h"
#include "tiny_model.h"

static json_t *describe(const char *folder, bool tensors) {
    pare_model *model;
    char *text;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_model_describe(model, tensors, &text), PARE_OK);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    pare_text_free(text);
    pare_model_close(model);
    return json;
}

static void assert_whole(json_t *json, const char *key, json_int_t expected) {
    json_t *value = json_object_get(json, key);
    if (!json_is_integer(value) || json_integer_value(value) != expected) fprintf(stderr, "%s is wrong\n", key);
    assert_true(json_is_integer(value) && json_integer_value(value) == expected);
}

static void assert_text(json_t *json, const char *key, const char *expected) {
    assert_string_equal(json_string_value(json_object_get(json, key)), expected);
}

static void numbers_of_a_uniform_model(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.layers = 3,
                                                 .hidden = 16,
                                                 .heads = 4,
                                                 .kv_heads = 2,
                                                 .head_size = 6,
                                                 .ffn = 12,
                                                 .vocabulary = 40,
                                                 .dtype = PARE_DTYPE_BF16});
    json_t *json = describe(folder, false), *widths = json_object_get(json, "widths");
    json_int_t parameters = 3 * (2 * 24 * 16 + 2 * 12 * 16 + 3 * 12 * 16 + 32) + 2 * 40 * 16 + 16;
    assert_text(json, "path", folder);
    assert_text(json, "architecture", "LlamaForCausalLM");
    assert_text(json, "model_type", "llama");
    assert_whole(json, "layers", 3);
    assert_whole(json, "hidden", 16);
    assert_whole(json, "vocabulary", 40);
    assert_whole(json, "head_size", 6);
    assert_whole(json, "max_positions", 64);
    assert_whole(json, "parameters", parameters);
    assert_whole(json, "bytes", 2 * parameters);
    assert_whole(json_object_get(json, "dtypes"), "BF16", 30); /* tensors */
    assert_int_equal(json_object_size(json_object_get(json, "dtypes")), 1);
    assert_true(json_is_false(json_object_get(json, "tied")));
    assert_true(json_is_true(json_object_get(json, "uniform")));
    assert_null(json_object_get(json, "tensors"));
    assert_int_equal(json_array_size(widths), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_whole(json_array_get(widths, i), "layer", (json_int_t)i);
        assert_whole(json_array_get(widths, i), "query_heads", 4);
        assert_whole(json_array_get(widths, i), "kv_heads", 2);
        assert_whole(json_array_get(widths, i), "ffn", 12);
    }
    json_decref(json);
    tiny_remove(folder);
    free(folder);
}

static void layers_that_differ(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 1, 5}};
    char *folder = tiny_model_write((tiny_model){
        .layers = 2, .hidden = 10, .heads = 4, .head_size = 6, .widths = widths, .shards = 3, .tied = true});
    json_t *json = describe(folder, false);
    assert_true(json_is_false(json_object_get(json, "uniform")));
    assert_true(json_is_true(json_object_get(json, "tied")));
    assert_whole(json_array_get(json_object_get(json, "widths"), 1), "ffn", 5);
    assert_int_equal(json_array_size(json_object_get(json, "files")), 3);
    assert_text(json_array_get(json_object_get(json, "files"), 0), "name", "model-00001-of-00003.safetensors");
    json_decref(json);
    tiny_remove(folder);
    free(folder);
}

static void put_zeros(const char *folder, long from_end, size_t count) {
    char *path = pare_path_join(folder, "model.safetensors"), *zeros = calloc(count, 1);
    FILE *file = fopen(path, "r+b");
    assert_int_equal(fseek(file, -from_end, SEEK_END), 0);
    assert_int_equal(fwrite(zeros, 1, count, file), count);
    fclose(file);
    free(zeros);
    free(path);
}

/* The last tensor is the head: 32 x 16 floats, a quarter of which become zero. */
static void zeros_of_every_tensor(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.layers = 1});
    put_zeros(folder, 512, 512);
    json_t *json = describe(folder, true), *tensors = json_object_get(json, "tensors");
    json_int_t parameters = 0, zeros = 0;
    assert_int_equal(json_array_size(tensors), 12);
    for (size_t i = 0; i < 12; i++) {
        json_t *tensor = json_array_get(tensors, i);
        bool head = strcmp(json_string_value(json_object_get(tensor, "name")), "lm_head.weight") == 0;
        assert_whole(tensor, "zeros", head ? 128 : 0);
        assert_text(tensor, "dtype", "F32");
        assert_close("sparsity", 1.0 + json_number_value(json_object_get(tensor, "sparsity")), head ? 1.25 : 1.0,
                     1e-12);
        if (head) assert_int_equal(json_integer_value(json_array_get(json_object_get(tensor, "shape"), 0)), 32);
        parameters += json_integer_value(json_object_get(tensor, "parameters"));
        zeros += json_integer_value(json_object_get(tensor, "zeros"));
    }
    assert_whole(json, "parameters", parameters);
    assert_close("sparsity", json_number_value(json_object_get(json, "sparsity")), (double)zeros / (double)parameters,
                 1e-9);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "sha256"))), 64);
    json_decref(json);
    tiny_remove(folder);
    free(folder);
}

static void weights_that_are_no_numbers(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.layers = 1}), *path = pare_path_join(folder, "model.safetensors"),
         *text;
    static const float infinity = INFINITY;
    pare_model *model;
    FILE *file = fopen(path, "r+b");
    assert_int_equal(fseek(file, -400, SEEK_END), 0);
    assert_int_equal(fwrite(&infinity, sizeof infinity, 1, file), 1);
    fclose(file);
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_model_describe(model, false, &text), PARE_OK);
    pare_text_free(text);
    assert_int_equal(pare_model_describe(model, true, &text), PARE_NUMERIC_ERROR);
    assert_null(text);
    assert_non_null(strstr(pare_message(), "lm_head.weight"));
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_a_uniform_model),
        cmocka_unit_test(layers_that_differ),
        cmocka_unit_test(zeros_of_every_tensor),
        cmocka_unit_test(weights_that_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
