/* A sharded checkpoint whose index, shards and names do not fit each other, or lead out of the folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"
#include "tiny_model.h"

static const char index_name[] = "model.safetensors.index.json";

static void expect_refusal(const char *folder, pare_status expected, const char *word) {
    pare_checkpoint *checkpoint;
    pare_status status = pare_checkpoint_open(folder, &checkpoint);
    if (status != expected || !strstr(pare_message(), word))
        fail_msg("status %d where %d and \"%s\" are expected: %s", status, expected, word, pare_message());
    assert_null(checkpoint);
}

/* "one" and "two" in shards one.safetensors and two.safetensors, four bytes each. */
static char *make_shards(void) {
    char *folder = tiny_folder();
    const char *names[] = {"one", "two"};
    for (int i = 0; i < 2; i++) {
        char *header = pare_format("{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", names[i]);
        char *file = pare_format("%s.safetensors", names[i]);
        tiny_write_safetensors(folder, file, header, "\0\0\200\77", 4);
        free(header);
        free(file);
    }
    return folder;
}

static void refuses_a_bad_index(void **state) {
    (void)state;
    static const struct {
        const char *index;
        const char *word;
    } cases[] = {
        {"", "not JSON"},
        {"[]", "weight_map"},
        {"{\"weight_map\": []}", "weight_map"},
        {"{\"weight_map\": {\"one\": 1}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"..\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"/etc/passwd\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"one.bin\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"one.safetensors\", \"two\": \"../two.safetensors\"}}", "entry 1"},
        {"{\"weight_map\": {\"one\": \"x/../one.safetensors\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\\u0007\": \"one.safetensors\"}}", "entry 0"},
        {"{\"weight_map\": {\"one\": \"one.safetensors\", \"one\": \"two.safetensors\"}}", "twice"},

    };
    char *folder = make_shards();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_write_text(folder, index_name, cases[i].index);
        expect_refusal(folder, PARE_FORMAT_ERROR, cases[i].word);
    }
    tiny_write_text(folder, index_name, "{\"weight_map\": {\"one\": \"three.safetensors\"}}");
    expect_refusal(folder, PARE_FILE_ERROR, "three.safetensors");
    tiny_remove(folder);
    free(folder);
}

static void refuses_a_name_in_two_shards(void **state) {
    (void)state;
    char *folder = make_shards();
    tiny_write_safetensors(folder, "two.safetensors",
                           "{\"one\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                           "\"two\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                           "", 0);
    tiny_write_text(folder, index_name,
                    "{\"weight_map\": {\"one\": \"one.safetensors\", \"two\": \"two.safetensors\"}}");
    expect_refusal(folder, PARE_FORMAT_ERROR, "tensor one is in both");
    tiny_remove(folder);
    free(folder);
}

/* What an index says beside the truth: tensors that no shard holds, and another shard than the one that holds it. What
 * is there is found where it is. */
static void a_stale_index_does_not_matter(void **state) {
    (void)state;
    static const char *const maps[] = {
        "{\"weight_map\": {\"one\": \"two.safetensors\", \"two\": \"one.safetensors\"}}",
        "{\"weight_map\": {\"one\": \"one.safetensors\", \"three\": \"two.safetensors\"}}",
        "{\"weight_map\": {\"one\": \"one.safetensors\", \"lm_head.weight\": \"two.safetensors\"}}",
    };
    char *folder = make_shards();
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        pare_checkpoint *checkpoint;
        tiny_write_text(folder, index_name, maps[i]);
        if (pare_checkpoint_open(folder, &checkpoint) != PARE_OK) fail_msg("%s: %s", maps[i], pare_message());
        assert_int_equal(pare_checkpoint_count(checkpoint), 2);
        assert_int_equal(pare_checkpoint_find(checkpoint, "one")->file, 0);
        assert_int_equal(pare_checkpoint_find(checkpoint, "two")->file, 1);
        assert_null(pare_checkpoint_find(checkpoint, "three"));
        pare_checkpoint_close(checkpoint);
    }
    tiny_remove(folder);
    free(folder);
}

/* A tensor that the model needs and the index promises: its shard is named. */
static void a_needed_tensor_is_missed_with_its_shard(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.shards = 2}), *text;
    char *path = pare_path_join(folder, index_name);
    pare_model *model;
    assert_int_equal(pare_file_read(path, 1 << 20, &text, NULL), PARE_OK);
    json_t *index = json_loads(text, 0, NULL), *map = json_object_get(index, "weight_map");
    json_object_set_new(map, "model.layers.2.self_attn.q_proj.weight", json_string("model-00001-of-00002.safetensors"));
    char *changed = json_dumps(index, 0);
    tiny_write_text(folder, index_name, changed);
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_model_close(model);
    char *config_path = pare_path_join(folder, "config.json"), *config;
    assert_int_equal(pare_file_read(config_path, 1 << 20, &config, NULL), PARE_OK);
    json_t *json = json_loads(config, 0, NULL);
    json_object_set_new(json, "num_hidden_layers", json_integer(3));
    char *more = json_dumps(json, 0);
    tiny_write_text(folder, "config.json", more);
    assert_int_equal(pare_model_open(folder, &model), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "puts it into model-00001-of-00002.safetensors"));
    free(more);
    free(changed);
    json_decref(json);
    json_decref(index);
    pare_free(config);
    pare_free(text);
    free(config_path);
    free(path);
    tiny_remove(folder);
    free(folder);
}

/* The same tensor in two shards counts once if it is the same. */
static void equal_copies_count_once(void **state) {
    (void)state;
    char *folder = make_shards();
    pare_checkpoint *checkpoint;
    for (int apart = 0; apart < 2; apart++) {
        tiny_write_safetensors(folder, "two.safetensors",
                               "{\"one\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                               "\"two\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                               apart ? "\0\0\200\76\0\0\200\77" : "\0\0\200\77\0\0\200\77", 8);
        tiny_write_text(folder, index_name,
                        "{\"weight_map\": {\"one\": \"one.safetensors\", \"two\": \"two.safetensors\"}}");
        if (apart) {
            expect_refusal(folder, PARE_FORMAT_ERROR, "they differ");
        } else {
            assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
            assert_int_equal(pare_checkpoint_count(checkpoint), 2);
            pare_checkpoint_close(checkpoint);
        }
    }
    tiny_remove(folder);
    free(folder);
}

static void reads_shards_like_one_file(void **state) {
    (void)state;
    tiny_model model = {.layers = 3, .dtype = PARE_DTYPE_BF16};
    char *whole = tiny_model_write(model);
    model.shards = 4;
    char *split = tiny_model_write(model);
    pare_checkpoint *one, *four;
    assert_int_equal(pare_checkpoint_open(whole, &one), PARE_OK);
    assert_int_equal(pare_checkpoint_open(split, &four), PARE_OK);
    assert_int_equal(pare_checkpoint_file_count(four), 4);
    assert_int_equal(pare_checkpoint_count(one), 30);
    assert_int_equal(pare_checkpoint_count(four), 30);
    for (size_t i = 0; i < 30; i++) {
        const pare_tensor *expected = pare_checkpoint_at(one, i), *found = pare_checkpoint_find(four, expected->name);
        assert_ptr_equal(found, pare_checkpoint_at(four, i));
        assert_int_equal(found->bytes, expected->bytes);
        assert_memory_equal(found->data, expected->data, expected->bytes);
        pare_tensor_prefetch(found);
    }
    assert_null(pare_checkpoint_find(four, "model.norm"));
    pare_checkpoint_close(one);
    pare_checkpoint_close(four);
    tiny_remove(whole);
    tiny_remove(split);
    free(whole);
    free(split);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_bad_index),           cmocka_unit_test(refuses_a_name_in_two_shards),
        cmocka_unit_test(a_stale_index_does_not_matter), cmocka_unit_test(a_needed_tensor_is_missed_with_its_shard),
        cmocka_unit_test(equal_copies_count_once),       cmocka_unit_test(reads_shards_like_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
