/* Channel and layer modes, and query heads: the sizes of what is written, the lists of what was kept, and that the
 * written model computes what the dense one does with everything else switched off. */
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 4, .hidden = 16, .heads = 8, .kv_heads = 4, .head_size = 4, .ffn = 12, .scale = 0.3};

typedef struct scene {
    prune_run run;
    const char *texts[1];
    pare_setting settings[2];
    json_t *report, *manifest;
    pare_model *smaller;
} scene;

/* What the ids are to what was written, beside the dense model, must be what the report says. */
static void check_measured(const scene *s, const json_t *said) {
    static const char *const members[] = {"nll", "kl", "top1"};
    char *text;
    pare_evaluate_options options = {.texts = s->texts, .text_count = 1, .window = 9, .against = s->run.model};
    assert_int_equal(pare_evaluate(s->smaller, &options, &s->run.runtime, &text), PARE_OK);
    json_t *json = json_loads(text, 0, NULL);
    const json_t *found = json_array_get(json_object_get(json, "texts"), 0);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        assert_true(json_is_number(json_object_get(said, members[i])));
        assert_close(members[i], json_number_value(json_object_get(said, members[i])),
                     json_number_value(json_object_get(found, members[i])), 2e-6);
    }
    json_decref(json);
    pare_text_free(text);
}

/* Prunes and opens the result; the perplexity of the masked dense model must be that of the smaller one. */
static scene prune(tiny_model of, const char *method, double ratio, const char *key, const char *value) {
    scene s = {.run = prune_run_open(of)};
    s.texts[0] = s.run.ids;
    s.settings[0] = (pare_setting){key, value};
    s.run.options.method = method;
    s.run.options.ratio = ratio;
    s.run.options.settings = s.settings;
    s.run.options.setting_count = key ? 1 : 0;
    s.run.options.texts = s.texts;
    s.run.options.text_count = 1;
    s.run.options.window = 9;
    s.report = prune_run_report(&s.run);
    char *manifest = pare_path_join(s.run.output, "pruning.json");
    s.manifest = load_json(manifest);
    free(manifest);
    assert_int_equal(pare_model_open(s.run.output, &s.smaller), PARE_OK);
    json_t *after = json_object_get(json_array_get(json_object_get(s.report, "texts"), 0), "after");
    check_measured(&s, after);
    assert_true(json_equal(json_object_get(s.report, "layers"), json_object_get(s.manifest, "layers")));
    json_t *parameters = json_object_get(s.manifest, "parameters");
    assert_true(pare_model_parameters(s.smaller) == (uint64_t)json_integer_value(json_object_get(parameters, "after")));
    return s;
}

static void close_scene(scene *s) {
    json_decref(s->report);
    json_decref(s->manifest);
    pare_model_close(s->smaller);
    prune_run_close(&s->run);
}

static void check_hidden(tiny_model of, const char *method, double ratio, uint32_t expected) {
    scene s = prune(of, method, ratio, "mode", "channel");
    json_t *kept = json_object_get(s.manifest, "hidden_channels_kept");
    assert_int_equal(s.smaller->config.hidden, expected);
    assert_int_equal(s.smaller->config.layers, of.layers);
    assert_int_equal(s.smaller->config.head_size, s.run.model->config.head_size);
    assert_memory_equal(s.smaller->config.widths, s.run.model->config.widths, of.layers * sizeof(pare_widths));
    assert_int_equal(json_array_size(kept), expected);
    for (size_t i = 0; i < expected; i++) {
        json_int_t channel = json_integer_value(json_array_get(kept, i));
        assert_true(channel < of.hidden);
        if (i) assert_true(channel > json_integer_value(json_array_get(kept, i - 1)));
    }
    assert_true(json_equal(kept, json_object_get(s.report, "hidden_channels_kept")));
    close_scene(&s);
}

static void hidden_channels(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "taylor-vector", "magnitude-l1", "random", "moreau", "smoothgrad"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        check_hidden(tiny, methods[i], 0.25, 12);
    tiny_model tied = tiny;
    tied.tied = true;
    tied.dtype = PARE_DTYPE_F16;
    check_hidden(tied, "taylor", 0.5, 8);
    check_hidden(tied, "magnitude-l2", 0.9, 1);
}

/* expected: the layers that are left; NULL: any `count` of them. */
static void check_layers(const char *method, const char *mode, double ratio, uint32_t count, const bool *expected) {
    scene s = prune(tiny, method, ratio, mode ? "mode" : NULL, mode);
    json_t *layers = json_object_get(s.manifest, "layers");
    uint32_t left = 0;
    assert_int_equal(s.smaller->config.layers, count);
    assert_int_equal(json_array_size(layers), tiny.layers);
    for (uint32_t i = 0; i < tiny.layers; i++) {
        json_t *layer = json_array_get(layers, i);
        bool dropped = json_is_true(json_object_get(layer, "dropped"));
        assert_int_equal(json_object_size(layer), dropped ? 1 : 3);
        if (!dropped) assert_int_equal(json_array_size(json_object_get(layer, "ffn_channels_kept")), tiny.ffn);
        if (expected) assert_int_equal(!dropped, expected[i]);
        left += !dropped;
    }
    assert_int_equal(left, count);
    close_scene(&s);
}

static void whole_layers(void **state) {
    (void)state;
    check_layers("layer-first", NULL, 0.5, 2, (bool[]){true, true, false, false});
    check_layers("layer-first", NULL, 0.25, 3, (bool[]){true, true, true, false});
    check_layers("layer-influence", NULL, 0.5, 2, NULL);
    check_layers("layer-removal", NULL, 0.25, 3, NULL);
    check_layers("taylor", "layer", 0.5, 2, NULL);
    check_layers("random", "layer", 0.5, 2, NULL);
    check_layers("magnitude-l1", "layer", 0.25, 3, NULL);
}

/* Layers out of range stay, and the lowest score of the others goes. */
static void layers_in_range_by_score(void **state) {
    (void)state;
    static const char *const methods[] = {"layer-influence", "layer-removal", "taylor"};
    for (size_t i = 0; i < 3; i++) {
        prune_run r = prune_run_open(tiny);
        pare_setting mode = {"mode", "layer"};
        r.options.method = methods[i];
        r.options.settings = &mode;
        r.options.setting_count = 1;
        r.options.layer_begin = 1;
        r.options.layer_end = 4;
        r.options.ratio = 0.3;
        r.options.scores = r.scores;
        json_t *report = prune_run_report(&r), *file = load_json(r.scores);
        json_t *scores = json_object_get(file, "layers"), *layers = json_object_get(report, "layers");
        uint32_t lowest = 1;
        double score[4];
        for (size_t j = 0; j < 4; j++)
            score[j] = json_number_value(json_object_get(json_array_get(scores, j), "layer"));
        for (uint32_t j = 1; j < 4; j++)
            if (score[j] < score[lowest]) lowest = j;
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(json_is_true(json_object_get(json_array_get(layers, j), "dropped")), j == lowest);
        json_decref(report);
        json_decref(file);
        prune_run_close(&r);
    }
}

/* Every group keeps its keys and loses the same number of query heads. */
static void query_heads(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "best", "obs"};
    for (size_t i = 0; i < 3; i++) {
        scene s = prune(tiny, methods[i], 0.5, "gqa", "query");
        json_t *layers = json_object_get(s.manifest, "layers");
        for (uint32_t j = 0; j < tiny.layers; j++) {
            json_t *heads = json_object_get(json_array_get(layers, j), "query_heads_kept");
            assert_int_equal(s.smaller->config.widths[j].heads, 4);
            assert_int_equal(s.smaller->config.widths[j].kv_heads, 4);
            assert_int_equal(json_array_size(heads), 4);
            for (size_t k = 0; k < 4; k++)
                assert_int_equal(json_integer_value(json_array_get(heads, k)) / 2, k);
        }
        close_scene(&s);
    }
}

/* Rankings and repairs, each through a run that checks what it wrote. */
static void rankings(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "best"};
    static const char *const values[] = {"uniform", "global", "rising"};
    for (size_t i = 0; i < 6; i++) {
        scene s = prune(tiny, methods[i / 3], 0.4, "select", values[i % 3]);
        uint64_t removed = pare_model_parameters(s.run.model) - pare_model_parameters(s.smaller);
        assert_true(removed > pare_model_parameters(s.run.model) / 8);
        close_scene(&s);
    }
}

static void ranges_that_modes_refuse(void **state) {
    (void)state;
    static const struct {
        const char *mode, *sentence;
        int32_t end;
        pare_layers ffn;
    } cases[] = {{"channel", "leave out --layers", 2, {0}},
                 {"channel", "leave out --layers", 0, {true, 0, 0}},
                 {"layer", "give --layers", 0, {true, 0, 2}}};
    prune_run r = prune_run_open(tiny);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_setting mode = {"mode", cases[i].mode};
        r.options.settings = &mode;
        r.options.setting_count = 1;
        r.options.layer_end = cases[i].end;
        r.options.ffn = cases[i].ffn;
        assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), cases[i].sentence));
    }
    pare_setting uniform = {"select", "uniform"};
    r.options.settings = &uniform;
    r.options.ffn = (pare_layers){0};
    r.options.layer_end = 2;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--layers"));
    prune_run_assert_holds(r.folder, "ids.json model ");
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hidden_channels), cmocka_unit_test(whole_layers), cmocka_unit_test(layers_in_range_by_score),
        cmocka_unit_test(query_heads),     cmocka_unit_test(rankings),     cmocka_unit_test(ranges_that_modes_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
