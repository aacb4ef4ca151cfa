/* One run from end to end: every file it leaves and every field in them; what it carries over; what it must not touch.
 */
#include "calibrate/calibration.h"
#include "prune/prune_run.h"

static const tiny_model tiny = {.layers = 3,
                                .hidden = 16,
                                .heads = 8,
                                .kv_heads = 4,
                                .head_size = 2,
                                .ffn = 12,
                                .scale = 0.3,
                                .dtype = PARE_DTYPE_BF16};

static json_t *member(json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    if (!value) fprintf(stderr, "no member %s\n", key);
    assert_non_null(value);
    return value;
}

static json_t *load_in(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    json_t *json = load_json(path);
    free(path);
    return json;
}

static void assert_text(json_t *object, const char *key, const char *expected) {
    assert_string_equal(json_string_value(member(object, key)), expected);
}

static void assert_whole(json_t *object, const char *key, int64_t expected) {
    assert_true(json_is_integer(member(object, key)));
    assert_true(json_integer_value(member(object, key)) == expected);
}

/* Exactly these keys, in any order. */
static void assert_keys(json_t *object, const char *const keys[], size_t count) {
    assert_true(json_is_object(object));
    for (size_t i = 0; i < count; i++)
        member(object, keys[i]);
    assert_int_equal(json_object_size(object), count);
}
#define ASSERT_KEYS(object, ...)                                                                                       \
    assert_keys(object, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void assert_ascending(json_t *list, size_t count, json_int_t most) {
    assert_int_equal(json_array_size(list), count);
    json_int_t last = -1;
    for (size_t i = 0; i < count; i++) {
        json_int_t value = json_integer_value(json_array_get(list, i));
        assert_true(value > last && value < most);
        last = value;
    }
}

/* What sha256sum prints for the one file. */
static void digest_of_source(const prune_run *r, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    char *path = pare_path_join(r->model_folder, "model.safetensors");
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    prune_run_digest_file(digest, path);
    pare_digest_finish(digest, text);
    free(path);
}

static void check_manifest_source(const prune_run *r, json_t *manifest) {
    char digest[PARE_DIGEST_TEXT];
    json_t *source = member(manifest, "source");
    ASSERT_KEYS(source, "files", "sha256");
    assert_int_equal(json_array_size(member(source, "files")), 1);
    assert_string_equal(json_string_value(json_array_get(member(source, "files"), 0)), "model.safetensors");
    digest_of_source(r, digest);
    assert_text(source, "sha256", digest);
}

static void check_manifest_calibration(const prune_run *r, json_t *manifest) {
    pare_windows windows;
    char digest[65];
    json_t *calibration = member(manifest, "calibration");
    ASSERT_KEYS(calibration, "source", "sequences", "length", "sha256");
    assert_text(calibration, "source", r->ids);
    assert_whole(calibration, "sequences", 3);
    assert_whole(calibration, "length", 9);
    pare_window_request request = {.path = r->ids};
    assert_int_equal(pare_windows_sample(NULL, &request, &windows), PARE_OK);
    assert_int_equal(pare_windows_digest(&windows, digest), PARE_OK);
    assert_text(calibration, "sha256", digest);
    pare_windows_free(&windows);
}

/* Half of the 4 groups and 12 channels of every layer; a kept group brings its two query heads. */
static void check_layers(json_t *layers) {
    assert_int_equal(json_array_size(layers), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *layer = json_array_get(layers, i);
        ASSERT_KEYS(layer, "kv_heads_kept", "query_heads_kept", "ffn_channels_kept");
        json_t *kv = member(layer, "kv_heads_kept"), *query = member(layer, "query_heads_kept");
        assert_ascending(kv, 2, 4);
        assert_ascending(query, 4, 8);
        assert_ascending(member(layer, "ffn_channels_kept"), 6, 12);
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(json_integer_value(json_array_get(query, j)) / 2,
                             json_integer_value(json_array_get(kv, j / 2)));
    }
}

/* As they were. */
static void check_widths(json_t *model) {
    ASSERT_KEYS(model, "hidden", "layers");
    assert_whole(model, "hidden", 16);
    assert_int_equal(json_array_size(member(model, "layers")), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *layer = json_array_get(member(model, "layers"), i);
        ASSERT_KEYS(layer, "query_heads", "kv_heads", "ffn");
        assert_whole(layer, "query_heads", 8);
        assert_whole(layer, "kv_heads", 4);
        assert_whole(layer, "ffn", 12);
    }
}

/* 3 layers of Q, O [16 x 16], K, V [8 x 16], 3 x [12 x 16], two norms; two embeddings of 32 x 16; one norm. */
enum {
    BEFORE = 3 * (2 * 16 * 16 + 2 * 8 * 16 + 3 * 12 * 16 + 32) + 2 * 32 * 16 + 16,
    AFTER = 3 * (2 * 8 * 16 + 2 * 4 * 16 + 3 * 6 * 16 + 32) + 2 * 32 * 16 + 16
};

static void the_manifest_is_complete(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.seed = 77;
    json_t *report = prune_run_report(&r), *manifest = load_in(r.output, "pruning.json");
    ASSERT_KEYS(manifest, "pare", "method", "recipe", "seed", "source", "calibration", "parameters", "iterations",
                "model", "layers", "hidden_channels_kept");
    check_widths(member(manifest, "model"));
    assert_whole(manifest, "iterations", 1);
    assert_true(json_is_null(member(manifest, "hidden_channels_kept")));
    assert_text(manifest, "pare", pare_version());
    assert_text(manifest, "method", "taylor");
    assert_text(member(manifest, "recipe"), "signal", "gradient");
    assert_whole(manifest, "seed", 77);
    check_manifest_source(&r, manifest);
    check_manifest_calibration(&r, manifest);
    ASSERT_KEYS(member(manifest, "parameters"), "before", "after");
    assert_whole(member(manifest, "parameters"), "before", BEFORE);
    assert_whole(member(manifest, "parameters"), "after", AFTER);
    check_layers(member(manifest, "layers"));
    assert_true(json_equal(member(report, "layers"), member(manifest, "layers")));
    assert_true(json_equal(member(report, "parameters"), member(manifest, "parameters")));
    assert_true(json_equal(member(report, "recipe"), member(manifest, "recipe")));
    json_decref(report);
    json_decref(manifest);
    prune_run_close(&r);
}

static void methods_without_data_say_so(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.method = "magnitude-l2";
    r.options.calibration.source = NULL;
    prune_run_do(&r);
    json_t *manifest = load_in(r.output, "pruning.json");
    assert_true(json_is_null(member(manifest, "calibration")));
    assert_text(manifest, "method", "magnitude-l2");
    json_decref(manifest);
    prune_run_close(&r);
}

static void the_report_tells_what_was_written(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    json_t *report = prune_run_report(&r), *output = member(report, "output");
    assert_text(output, "path", r.output);
    assert_text(output, "kind", "llama");
    assert_whole(output, "parameters", AFTER);
    assert_whole(member(report, "bytes"), "before", 2 * BEFORE);
    assert_whole(member(report, "bytes"), "after", 2 * AFTER);
    assert_true(json_number_value(member(report, "ratio")) == 0.5);
    char *list = pare_format("%s", "");
    for (size_t i = 0; i < json_array_size(member(output, "files")); i++) {
        char *longer = pare_format("%s%s ", list, json_string_value(json_array_get(member(output, "files"), i)));
        free(list);
        list = longer;
    }
    assert_string_equal(list, "README.md config.json model.safetensors pruning.json recipe.json ");
    prune_run_assert_holds(r.output, list);
    prune_run_assert_holds(r.folder, "ids.json model output ");
    json_int_t bytes = 0;
    struct stat status;
    for (size_t i = 0; i < json_array_size(member(output, "files")); i++) {
        char *path = pare_path_join(r.output, json_string_value(json_array_get(member(output, "files"), i)));
        assert_int_equal(stat(path, &status), 0);
        bytes += status.st_size;
        free(path);
    }
    assert_whole(output, "bytes", bytes);
    assert_true(json_integer_value(member(member(report, "memory"), "anonymous_peak")) > 0);
    json_t *resident = member(member(report, "memory"), "resident_peak"), *cost;
    assert_true(json_integer_value(member(resident, "anonymous")) > 0 &&
                json_integer_value(member(resident, "mapped")) > 0);
    const char *stage;
    json_object_foreach(member(report, "seconds"), stage, cost) {
        cost = member(member(report, "stages"), stage);
        assert_true(json_number_value(member(cost, "processor_seconds")) >= 0.0);
        assert_true(json_integer_value(member(cost, "read")) >= 0 && json_integer_value(member(cost, "written")) >= 0);
        assert_true(json_integer_value(member(cost, "anonymous_peak")) > 0);
        assert_true(json_integer_value(member(cost, "mapped_peak")) > 0);
    }
    assert_true(json_number_value(member(member(member(report, "stages"), "scoring"), "processor_seconds")) > 0.0);
    free(list);
    json_decref(report);
    prune_run_close(&r);
}

static void a_dry_run_writes_nothing_but_scores(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.dry_run = true;
    json_t *report = prune_run_report(&r);
    assert_null(json_object_get(report, "output"));
    check_layers(member(report, "layers"));
    prune_run_assert_holds(r.folder, "ids.json model ");
    json_decref(report);
    r.options.scores = r.scores;
    r.options.output = NULL;
    prune_run_do(&r);
    prune_run_assert_holds(r.folder, "ids.json model scores.json ");
    prune_run_close(&r);
}

/* The kept units are those of the highest scores in the file; layers out of range are scored too. */
static void the_scores_are_those_that_were_used(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.scores = r.scores;
    r.options.layer_begin = 1;
    r.options.layer_end = 3;
    json_t *report = prune_run_report(&r), *scores = load_json(r.scores);
    ASSERT_KEYS(scores, "layers", "hidden");
    assert_int_equal(json_array_size(member(scores, "layers")), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *layer = json_array_get(member(scores, "layers"), i);
        json_t *kept = json_array_get(member(report, "layers"), i);
        ASSERT_KEYS(layer, "heads", "query_heads", "ffn", "layer");
        assert_int_equal(json_array_size(member(layer, "query_heads")), 8);
        assert_true(json_number_value(member(layer, "layer")) > 0.0);
        assert_int_equal(json_array_size(member(layer, "heads")), 4);
        assert_int_equal(json_array_size(member(layer, "ffn")), 12);
        assert_int_equal(json_array_size(member(kept, "ffn_channels_kept")), i ? 6 : 12);
        double least_kept = INFINITY, most_removed = -INFINITY;
        for (size_t j = 0, at = 0; i && j < 12; j++) {
            double score = json_number_value(json_array_get(member(layer, "ffn"), j));
            json_t *next = json_array_get(member(kept, "ffn_channels_kept"), at);
            bool stays = next && json_integer_value(next) == (json_int_t)j;
            assert_true(score > 0.0);
            at += stays;
            if (stays) least_kept = fmin(least_kept, score);
            if (!stays) most_removed = fmax(most_removed, score);
        }
        assert_true(least_kept > most_removed);
    }
    json_decref(report);
    json_decref(scores);
    prune_run_close(&r);
}

/* Places for the scores that would harm something, or cannot be written, are refused before any work. */
static void scores_in_wrong_places(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    prune_run_do(&r);
    char before[PARE_DIGEST_TEXT], after[PARE_DIGEST_TEXT];
    char *places[] = {pare_path_join(r.model_folder, "model.safetensors"),
                      pare_path_join(r.model_folder, "scores.json"),
                      pare_path_join(r.output, "scores.json"),
                      pare_path_join(r.folder, "missing/scores.json"),
                      pare_format("%s", r.folder),
                      pare_format("%s/", r.folder),
                      pare_format("%s", ""),
                      pare_format("/dev/null")};
    enum { MISSING = 3 }; /* the place in a folder that is not there */
    prune_run_digest(r.model_folder, before);
    r.options.force = true;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        r.options.scores = places[i];
        assert_int_equal(prune_run_try(&r), i == MISSING ? PARE_FILE_ERROR : PARE_BAD_ARGUMENT);
        assert_true(strstr(pare_message(), places[i]) != NULL);
        prune_run_digest(r.model_folder, after);
        assert_string_equal(before, after);
        prune_run_assert_holds(r.output, "README.md config.json model.safetensors pruning.json recipe.json ");
        prune_run_assert_holds(r.folder, "ids.json model output ");
        free(places[i]);
    }
    prune_run_close(&r);
}

static void files_are_carried_over(void **state) {
    (void)state;
    static const char *const carried[] = {"generation_config.json", "LICENSE", "special_tokens_map.json",
                                          "tokenizer_config.json"};
    prune_run r = prune_run_open(tiny);
    char before[PARE_DIGEST_TEXT], after[PARE_DIGEST_TEXT];
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
        tiny_write_text(r.model_folder, carried[i], carried[i]);
    tiny_write_text(r.model_folder, "pruning.json", "{\"of\": \"an earlier run\"}");
    tiny_write_text(r.model_folder, "README.md", "about the dense model");
    tiny_write_text(r.model_folder, "pytorch_model.bin", "weights of the dense model");
    prune_run_digest(r.model_folder, before);
    prune_run_do(&r);
    prune_run_digest(r.model_folder, after);
    assert_string_equal(before, after);
    prune_run_assert_holds(r.output,
                           "LICENSE README.md config.json generation_config.json model.safetensors pruning.json "
                           "recipe.json special_tokens_map.json tokenizer_config.json ");
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
        char *path = pare_path_join(r.output, carried[i]), *text;
        assert_int_equal(pare_file_read(path, 100, &text, NULL), PARE_OK);
        assert_string_equal(text, carried[i]);
        pare_free(text);
        free(path);
    }
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_is_complete),
        cmocka_unit_test(methods_without_data_say_so),
        cmocka_unit_test(the_report_tells_what_was_written),
        cmocka_unit_test(a_dry_run_writes_nothing_but_scores),
        cmocka_unit_test(the_scores_are_those_that_were_used),
        cmocka_unit_test(scores_in_wrong_places),
        cmocka_unit_test(files_are_carried_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
