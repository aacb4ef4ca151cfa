/* What runs share: a run that takes everything from the cache reports the same as one that does all the work, another
 * seed, method, text or model is another entry, and a cache frees what it holds. */
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 16, .heads = 8, .kv_heads = 4, .head_size = 4, .ffn = 12, .scale = 0.3};

/* The report without times and memory, which differ. */
static json_t *settled(json_t *report) {
    json_object_del(report, "seconds");
    json_object_del(report, "stages");
    json_object_del(report, "memory");
    return report;
}

static void count_calibrations(void *user, const char *stage, uint64_t done, uint64_t total) {
    (void)total;
    if (strcmp(stage, "calibrating") == 0 && done == 1) ++*(int *)user;
}

typedef struct scene {
    prune_run run;
    const char *texts[2];
    int calibrations; /* that were begun */
} scene;

static void open_scene(scene *s, const char *method) {
    *s = (scene){.run = prune_run_open(tiny), .texts = {"self"}};
    s->texts[1] = s->run.ids;
    s->run.options.method = method;
    s->run.options.calibration = (pare_calibration_options){.source = "self", .samples = 4, .length = 9};
    s->run.options.dry_run = true;
    s->run.options.scores = strcmp(method, "best") == 0 ? NULL : s->run.scores;
    s->run.options.texts = s->texts;
    s->run.options.text_count = 2;
    s->run.options.window = 8;
    s->run.options.max_windows = 3;
    s->run.options.steps = strcmp(method, "best") == 0 ? 0 : 2;
    s->run.runtime.progress = count_calibrations;
    s->run.runtime.progress_user = &s->calibrations;
}

/* What a run without a cache alone says of a text. */
static void drop_comparison(json_t *report) {
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(report, "texts"), i, text) {
        assert_int_equal(json_object_del(json_object_get(text, "after"), "kl"), 0);
        assert_int_equal(json_object_del(json_object_get(text, "after"), "top1"), 0);
    }
}

/* Report and scores of one run; no scores where the method has none. */
static void run(scene *s, pare_cache *cache, json_t **report, json_t **scores) {
    s->run.options.cache = cache;
    *report = settled(prune_run_report(&s->run));
    if (!cache) drop_comparison(*report);
    *scores = s->run.options.scores ? load_json(s->run.scores) : json_null();
}

/* The same with the cache and without; returns how many calibrations were begun with it. */
static int run_both(scene *s, pare_cache *cache) {
    json_t *fresh, *fresh_scores, *shared, *shared_scores;
    s->calibrations = 0;
    run(s, cache, &shared, &shared_scores);
    int calibrations = s->calibrations;
    run(s, NULL, &fresh, &fresh_scores);
    if (!json_equal(fresh, shared)) {
        json_dumpf(fresh, stderr, JSON_INDENT(1));
        json_dumpf(shared, stderr, JSON_INDENT(1));
    }
    assert_true(json_equal(fresh, shared));
    assert_true(json_equal(fresh_scores, shared_scores));
    json_decref(fresh);
    json_decref(fresh_scores);
    json_decref(shared);
    json_decref(shared_scores);
    return calibrations;
}

static void the_same_with_and_without(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "moreau-gs", "smoothgrad", "magnitude-l1", "random", "best"};
    static const double ratios[] = {0.5, 0.25, 0.5};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        scene s;
        open_scene(&s, methods[i]);
        uint64_t before = pare_memory_current();
        pare_cache *cache = pare_cache_new();
        for (size_t j = 0; j < 3; j++) {
            s.run.options.ratio = ratios[j];
            int calibrations = run_both(&s, cache);
            if (j > 0) assert_int_equal(calibrations, 0);
        }
        pare_cache_free(cache);
        assert_true(pare_memory_current() == before);
        prune_run_close(&s.run);
    }
}

/* Everything that scores depend on makes another entry. */
static void other_options_are_other_entries(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"reduction", "max"}, {"salience", "vectorize"}, {"mode", "channel"}};
    scene s;
    open_scene(&s, "taylor");
    pare_cache *cache = pare_cache_new();
    for (int change = 0; change < 9; change++) {
        pare_prune_options *o = &s.run.options;
        if (change == 1) o->seed = 5;
        if (change == 2) o->calibration.samples = 3;
        if (change == 3) o->calibration = (pare_calibration_options){.source = s.run.ids};
        if (change == 4) o->layer_end = 1;
        if (change == 5) o->layer_end = 0;
        if (change >= 5 && change < 8) {
            o->settings = &settings[change - 5];
            o->setting_count = 1;
        }
        if (change == 8) {
            o->setting_count = 0;
            o->method = "taylor-mix";
        }
        run_both(&s, cache);
    }
    pare_cache_free(cache);
    prune_run_close(&s.run);
}

/* What follows the scores is not in their entries: runs that differ there calibrate once. */
static void scores_do_not_depend_on_what_follows(void **state) {
    (void)state;
    static const pare_setting settings[][2] = {{{"reconstruct", "1"}, {"reconstruct_rate", "1e-3"}},
                                               {{"reconstruct", "2"}, {"reconstruct_rate", "1e-3"}},
                                               {{"reconstruct", "2"}, {"reconstruct_rate", "1e-4"}}};
    scene s;
    open_scene(&s, "taylor");
    pare_cache *cache = pare_cache_new();
    for (int i = 0; i < 4; i++) {
        s.run.options.settings = i ? settings[i - 1] : NULL;
        s.run.options.setting_count = i ? 2 : 0;
        assert_int_equal(run_both(&s, cache) > 0, i == 0);
    }
    pare_cache_free(cache);
    prune_run_close(&s.run);
}

/* The rank correlations of a trace are those of the units that go: KV groups have others than query heads. */
static void traces_are_of_their_units(void **state) {
    (void)state;
    static const pare_setting settings[] = {{"gqa", "kv"}, {"gqa", "query"}};
    scene s;
    open_scene(&s, "moreau");
    pare_cache *cache = pare_cache_new();
    json_t *reports[2], *scores;
    s.run.options.setting_count = 1;
    for (int i = 0; i < 2; i++) {
        s.run.options.settings = &settings[i];
        run(&s, cache, &reports[i], &scores);
        json_decref(scores);
    }
    json_t *first = json_object_get(reports[0], "trace"), *second = json_object_get(reports[1], "trace");
    assert_non_null(json_object_get(json_array_get(first, 1), "rank_correlation"));
    assert_non_null(json_object_get(json_array_get(second, 1), "loss"));
    assert_null(json_object_get(json_array_get(second, 1), "rank_correlation"));
    json_decref(reports[0]);
    json_decref(reports[1]);
    pare_cache_free(cache);
    prune_run_close(&s.run);
}

/* A model that was closed leaves entries that no later one finds, though it may lie at the same address. */
static void models_are_told_apart(void **state) {
    (void)state;
    pare_cache *cache = pare_cache_new();
    json_t *kept[4];
    for (uint64_t i = 0; i < 4; i++) {
        tiny_model of = tiny;
        of.seed = i;
        scene s;
        open_scene(&s, "taylor");
        char *folder = tiny_model_write(of);
        pare_model_close(s.run.model);
        assert_int_equal(pare_model_open(folder, &s.run.model), PARE_OK);
        json_t *scores, *report;
        run(&s, cache, &report, &scores);
        kept[i] = json_deep_copy(scores);
        json_decref(report);
        json_decref(scores);
        prune_run_close(&s.run);
        tiny_remove(folder);
        free(folder);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_false(json_equal(kept[i], kept[j]));
    for (int i = 0; i < 4; i++)
        json_decref(kept[i]);
    pare_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_with_and_without),
        cmocka_unit_test(other_options_are_other_entries),
        cmocka_unit_test(scores_do_not_depend_on_what_follows),
        cmocka_unit_test(traces_are_of_their_units),
        cmocka_unit_test(models_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
