/* Every preset prunes every kind of tiny model, on text the model writes, with no tokenizer anywhere; but for those
 * that train, which is what test_loraprune.c is for. */
#include "prune/prune_run.h"

static const tiny_model layouts[] = {
    {.layers = 2, .scale = 0.3},
    {.layers = 3,
     .hidden = 12,
     .heads = 4,
     .kv_heads = 2,
     .head_size = 6,
     .ffn = 17,
     .tied = true,
     .scale = 0.3,
     .dtype = PARE_DTYPE_F16},
    {.layers = 2,
     .hidden = 16,
     .heads = 8,
     .kv_heads = 2,
     .head_size = 4,
     .ffn = 20,
     .shards = 3,
     .scale = 0.3,
     .dtype = PARE_DTYPE_BF16},
};

/* What a preset does, by its name. */
typedef struct traits {
    bool calibrated, repaired, layers, elements, uneven; /* uneven: every layer has widths of its own */
    size_t steps;                                        /* of an iteration */
} traits;

static traits traits_of(const char *method) {
    static const char *const blind[] = {"random",    "magnitude-l1", "magnitude-l2", "layer-first",
                                        "magnitude", "ri",           "symmetric"};
    bool gates = strcmp(method, "gates") == 0, flap = strcmp(method, "flap") == 0;
    traits t = {.calibrated = true,
                .repaired = strcmp(method, "best") == 0 || strcmp(method, "obs") == 0 || flap || gates,
                .uneven = flap || gates,
                .steps = gates                               ? 300
                         : strncmp(method, "moreau", 6) == 0 ? 10
                                                             : 0,
                .layers = strncmp(method, "layer-", 6) == 0,
                .elements = pare_recipe_find(method)->mode == PARE_MODE_ELEMENT};
    for (size_t i = 0; i < sizeof blind / sizeof *blind; i++)
        if (strcmp(method, blind[i]) == 0) t.calibrated = false;
    return t;
}

static void check_report(json_t *report, const pare_model *model, const char *method) {
    traits t = traits_of(method);
    json_t *calibration = json_object_get(report, "calibration"), *trace = json_object_get(report, "trace");
    assert_string_equal(json_string_value(json_object_get(report, "method")), method);
    assert_int_equal(json_is_null(calibration), !t.calibrated);
    if (t.calibrated) {
        assert_string_equal(json_string_value(json_object_get(calibration, "source")), "self");
        assert_int_equal(json_integer_value(json_object_get(calibration, "sequences")),
                         t.repaired || t.elements ? 128 : 10);
        assert_int_equal(json_integer_value(json_object_get(calibration, "length")), model->config.max_positions);
    }
    assert_int_equal(json_array_size(trace), t.steps);
    assert_int_equal(json_array_size(json_object_get(report, "repair")), t.repaired ? model->config.layers : 0);
}

static void check_widths(const pare_model *before, const pare_model *after, traits t) {
    bool layers = t.layers;
    assert_int_equal(after->config.layers, layers ? before->config.layers / 2 : before->config.layers);
    for (uint32_t i = 0; i < after->config.layers && !t.uneven; i++) {
        const pare_widths *full = &before->config.widths[i], *left = &after->config.widths[i];
        uint32_t part = layers || t.elements ? 1 : 2;
        assert_int_equal(left->kv_heads, full->kv_heads / part);
        assert_int_equal(left->heads, full->heads / part);
        assert_int_equal(left->ffn, full->ffn / part);
    }
}

static void check(prune_run *r, const char *method) {
    prune_run_method(r, method);
    json_t *report = prune_run_report(r);
    check_report(report, r->model, method);
    pare_model *smaller;
    assert_int_equal(pare_model_open(r->output, &smaller), PARE_OK);
    check_widths(r->model, smaller, traits_of(method));
    pare_model_close(smaller);
    json_decref(report);
}

/* Under the sanitizers, which take six times as long, each preset has one of the layouts. */
#ifdef __SANITIZE_ADDRESS__
enum { SHARED_OUT = 1 };
#else
enum { SHARED_OUT = 0 };
#endif

static void check_all(size_t layout, pare_compute compute) {
    tiny_model tiny = layouts[layout];
    size_t count = sizeof layouts / sizeof *layouts;
    prune_run r = prune_run_open(tiny);
    r.options.calibration = (pare_calibration_options){0}; /* self, of the default size */
    r.options.force = true;
    r.options.cache = pare_cache_new();
    r.runtime.compute = compute;
    for (size_t method = 0; pare_recipe_name(method); method++) {
        const pare_recipe *recipe = pare_recipe_find(pare_recipe_name(method));
        bool here = !SHARED_OUT || method % count == layout;
        if (here && !pare_recipe_trains(recipe) && recipe->mode != PARE_MODE_EXPERT)
            check(&r, pare_recipe_name(method));
    }
    pare_cache_free(r.options.cache);
    prune_run_close(&r);
}

static void every_preset_prunes_every_layout(void **state) {
    (void)state;
    uint64_t before = pare_memory_current();
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        check_all(i, i == 1 ? PARE_COMPUTE_AUTO : PARE_COMPUTE_FP32);
    assert_true(pare_memory_current() == before);
}

/* More than the model has positions, fewer than two tokens, ids it has no embedding of. */
static void calibration_that_does_not_fit(void **state) {
    (void)state;
    prune_run r = prune_run_open(layouts[0]);
    r.options.calibration = (pare_calibration_options){.length = 65};
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "65"));
    r.options.calibration = (pare_calibration_options){.length = 1};
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    r.options.calibration = (pare_calibration_options){.source = r.ids};
    tiny_write_text(r.folder, "ids.json", "[[1, 2, 3], [4, 5, 32]]");
    assert_int_equal(prune_run_try(&r), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "32"));
    tiny_write_text(r.folder, "ids.json", "[[1], [4]]");
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    prune_run_assert_holds(r.folder, "ids.json model ");
    prune_run_close(&r);
}

/* What pare_evaluate measures on that text, as mean negative log-likelihood. */
static double measure(const prune_run *r, const pare_model *model, const char *text, uint64_t seed) {
    char *report;
    pare_evaluate_options options = {.texts = &text,
                                     .text_count = 1,
                                     .window = r->options.window,
                                     .max_windows = r->options.max_windows,
                                     .seed = seed};
    assert_int_equal(pare_evaluate(model, &options, &r->runtime, &report), PARE_OK);
    json_t *json = json_loads(report, 0, NULL);
    json_t *entry = json_array_get(json_object_get(json, "texts"), 0);
    double nll = json_number_value(json_object_get(entry, "nll"));
    assert_int_equal(json_integer_value(json_object_get(entry, "windows")), strcmp(text, "self") == 0 ? 5 : 3);
    json_decref(json);
    pare_text_free(report);
    return nll;
}

static double measured(json_t *report, size_t text, const char *when) {
    json_t *result = json_object_get(json_array_get(json_object_get(report, "texts"), text), when);
    double nll = json_number_value(json_object_get(result, "nll"));
    assert_close("perplexity", json_number_value(json_object_get(result, "perplexity")), exp(nll), 1e-9);
    return nll;
}

/* Perplexity before and after, of text that the model writes and of ready ids: as pare_evaluate has it. */
static void texts_are_measured_before_and_after(void **state) {
    (void)state;
    prune_run r = prune_run_open(layouts[0]);
    const char *texts[] = {"self", r.ids};
    r.options.texts = texts;
    r.options.text_count = 2;
    r.options.window = 8;
    r.options.max_windows = 5;
    r.options.ratio = 0.75;
    r.options.seed = 40;
    json_t *report = prune_run_report(&r);
    pare_model *smaller;
    assert_int_equal(pare_model_open(r.output, &smaller), PARE_OK);
    assert_int_equal(json_array_size(json_object_get(report, "texts")), 2);
    assert_close("ids", measured(report, 1, "before"), measure(&r, r.model, r.ids, 0), 1e-9);
    assert_close("ids", measured(report, 1, "after"), measure(&r, smaller, r.ids, 0), 1e-6);
    assert_true(fabs(measured(report, 1, "after") - measured(report, 1, "before")) > 1e-4);
    assert_close("self", measured(report, 0, "before"), measure(&r, r.model, "self", 41), 1e-9);
    assert_true(fabs(measured(report, 0, "before") - measure(&r, r.model, "self", 40)) > 1e-4); /* calibration's */
    json_decref(report);
    pare_model_close(smaller);
    prune_run_close(&r);
}

/* Texts and calibration files that are not there are found before the work, and not after it. */
static void missing_files_are_found_first(void **state) {
    (void)state;
    prune_run r = prune_run_open(layouts[0]);
    const char *missing = "/nowhere/text.txt";
    r.options.texts = &missing;
    r.options.text_count = 1;
    r.options.window = 16;
    assert_int_equal(prune_run_try(&r), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), missing));
    r.options.text_count = 0;
    r.options.calibration.source = "/nowhere/calibration.json";
    assert_int_equal(prune_run_try(&r), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "/nowhere/calibration.json"));
    prune_run_assert_holds(r.folder, "ids.json model ");
    prune_run_close(&r);
}

static void options_that_contradict(void **state) {
    (void)state;
    prune_run r = prune_run_open(layouts[0]);
    r.options.parameters = 1000;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    r.options.parameters = 0;
    r.options.output = NULL;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "-o"));
    r.options.output = r.output;
    static const int32_t ranges[][2] = {{-1, 1}, {0, 3}, {1, 1}, {0, -2}, {1, 0}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        r.options.layer_begin = ranges[i][0];
        r.options.layer_end = ranges[i][1];
        assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "--layers"));
    }
    prune_run_assert_holds(r.folder, "ids.json model ");
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preset_prunes_every_layout),
        cmocka_unit_test(calibration_that_does_not_fit),
        cmocka_unit_test(texts_are_measured_before_and_after),
        cmocka_unit_test(missing_files_are_found_first),
        cmocka_unit_test(options_that_contradict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
