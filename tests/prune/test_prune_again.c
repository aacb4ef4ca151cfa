/* Replacing what is there, repeating a run to the bit, and pruning what was pruned. */
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 3, .hidden = 16, .heads = 8, .kv_heads = 4, .head_size = 2, .ffn = 30, .scale = 0.3};

static json_t *load_in(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    json_t *json = load_json(path);
    free(path);
    return json;
}

static void force_replaces_models_only(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    char first[PARE_DIGEST_TEXT], now[PARE_DIGEST_TEXT];
    prune_run_do(&r);
    prune_run_digest(r.output, first);
    r.options.ratio = 0.25;
    assert_int_equal(prune_run_try(&r), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "--force"));
    prune_run_digest(r.output, now);
    assert_string_equal(first, now);
    tiny_write_text(r.output, "old.txt", "goes with the old model");
    r.options.force = true;
    prune_run_do(&r);
    prune_run_assert_holds(r.output, "README.md config.json model.safetensors pruning.json recipe.json ");
    prune_run_digest(r.output, now);
    assert_string_not_equal(first, now);
    char *other = pare_path_join(r.folder, "other");
    assert_int_equal(mkdir(other, 0755), 0);
    tiny_write_text(other, "letters.txt", "someone's letters");
    r.options.output = other;
    assert_int_equal(prune_run_try(&r), PARE_FILE_ERROR);
    prune_run_assert_holds(other, "letters.txt ");
    prune_run_assert_holds(r.folder, "ids.json model other output ");
    free(other);
    prune_run_close(&r);
}

static void the_input_is_never_the_output(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    char before[PARE_DIGEST_TEXT], after[PARE_DIGEST_TEXT], *inside = pare_path_join(r.model_folder, "smaller");
    const char *outputs[] = {r.model_folder, inside, r.folder};
    prune_run_digest(r.model_folder, before);
    r.options.force = true;
    for (size_t i = 0; i < 3; i++) {
        r.options.output = outputs[i];
        assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
        prune_run_digest(r.model_folder, after);
        assert_string_equal(before, after);
        prune_run_assert_holds(r.folder, "ids.json model ");
    }
    free(inside);
    prune_run_close(&r);
}

/* seed 3 twice and 4 once, for a method that draws and one that does not. */
static void the_same_seed_gives_the_same_bytes(void **state) {
    (void)state;
    static const char *const methods[] = {"random", "moreau-gs", "taylor", "best"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        prune_run r = prune_run_open(tiny);
        char digests[3][PARE_DIGEST_TEXT];
        r.options.method = methods[i];
        r.options.calibration = (pare_calibration_options){.source = "self", .samples = 2, .length = 12};
        r.options.force = true;
        for (int run = 0; run < 3; run++) {
            r.options.seed = run < 2 ? 3 : 4;
            prune_run_do(&r);
            prune_run_digest(r.output, digests[run]);
        }
        assert_string_equal(digests[0], digests[1]);
        assert_string_not_equal(digests[0], digests[2]); /* pruning.json names the seed */
        prune_run_close(&r);
    }
}

static void threads_do_not_choose_units(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "moreau-gs", "moreau", "magnitude-l1", "random", "best", "obs"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        prune_run r = prune_run_open(tiny);
        r.options.method = methods[i];
        r.options.dry_run = true;
        json_t *one = prune_run_report(&r);
        for (int threads = 2; threads <= 4; threads++) {
            r.runtime.threads = threads;
            json_t *more = prune_run_report(&r);
            assert_true(json_equal(json_object_get(one, "layers"), json_object_get(more, "layers")));
            json_decref(more);
        }
        json_decref(one);
        prune_run_close(&r);
    }
}

/* A range of layers gives layers of differing widths, which pare reads, says and prunes further. */
static void what_was_pruned_is_pruned_again(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++) {
        tiny_model stored = tiny;
        stored.dtype = (pare_dtype)dtype;
        prune_run r = prune_run_open(stored);
        r.options.layer_begin = 1;
        r.options.layer_end = 2;
        json_t *report = prune_run_report(&r);
        json_t *output = json_object_get(report, "output");
        assert_string_equal(json_string_value(json_object_get(output, "kind")), "per-layer");
        assert_non_null(
            strstr(json_string_value(json_object_get(output, "load")), "other engines have one width for all layers"));
        json_decref(report);

        pare_model_close(r.model);
        assert_int_equal(pare_model_open(r.output, &r.model), PARE_OK);
        static const pare_widths once[] = {{8, 4, 30}, {4, 2, 15}, {8, 4, 30}};
        assert_memory_equal(r.model->config.widths, once, sizeof once);
        char *second = pare_path_join(r.folder, "second");
        r.options.output = second;
        r.options.layer_begin = r.options.layer_end = 0;
        prune_run_do(&r);

        pare_model *twice;
        assert_int_equal(pare_model_open(second, &twice), PARE_OK);
        static const pare_widths both[] = {{4, 2, 15}, {2, 1, 7}, {4, 2, 15}};
        assert_memory_equal(twice->config.widths, both, sizeof both);
        pare_model_close(twice);
        json_t *manifest = load_in(second, "pruning.json");
        json_t *layer = json_array_get(json_object_get(manifest, "layers"), 1);
        assert_int_equal(json_array_size(json_object_get(layer, "ffn_channels_kept")), 7);
        json_decref(manifest);
        free(second);
        prune_run_close(&r);
    }
}

/* Two uniform rounds end in an ordinary model, and head counts that do not divide the hidden size in a Mistral. */
static void stock_kinds(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.ratio = 0.25;
    json_t *report = prune_run_report(&r);
    assert_string_equal(json_string_value(json_object_get(json_object_get(report, "output"), "kind")), "mistral");
    json_decref(report);
    pare_model_close(r.model);
    assert_int_equal(pare_model_open(r.output, &r.model), PARE_OK);
    assert_string_equal(r.model->config.model_type, "mistral");
    assert_int_equal(r.model->config.widths[0].heads, 6);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(force_replaces_models_only),         cmocka_unit_test(the_input_is_never_the_output),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes), cmocka_unit_test(threads_do_not_choose_units),
        cmocka_unit_test(what_was_pruned_is_pruned_again),    cmocka_unit_test(stock_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
