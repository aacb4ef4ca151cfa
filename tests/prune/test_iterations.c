/* Rounds: two of them are two runs by hand, whatever is kept is told in the original's numbers, and shares that stay
 * are of the original too. */
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 16, .heads = 8, .kv_heads = 4, .head_size = 2, .ffn = 12, .scale = 0.3};

static json_t *load_in(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    json_t *json = load_json(path);
    free(path);
    return json;
}

static void digest_weights(const char *folder, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    char *path = pare_path_join(folder, "model.safetensors");
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    prune_run_digest_file(digest, path);
    pare_digest_finish(digest, text);
    free(path);
}

/* first[second[i]] */
static json_t *through(json_t *first, json_t *second) {
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(second); i++)
        json_array_append(out, json_array_get(first, (size_t)json_integer_value(json_array_get(second, i))));
    return out;
}

static void compare_lists(json_t *first, json_t *second, json_t *both) {
    static const char *const keys[] = {"kv_heads_kept", "query_heads_kept", "ffn_channels_kept"};
    for (size_t i = 0; i < json_array_size(both); i++)
        for (size_t j = 0; j < 3; j++) {
            json_t *expected = through(json_object_get(json_array_get(first, i), keys[j]),
                                       json_object_get(json_array_get(second, i), keys[j]));
            assert_true(json_array_size(expected) > 0);
            assert_true(json_equal(expected, json_object_get(json_array_get(both, i), keys[j])));
            json_decref(expected);
        }
}

/* Half of everything at once in two rounds: a quarter first, then a third of what is left. */
static void two_rounds_are_two_runs(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    char *halfway = pare_path_join(r.folder, "halfway"), *by_hand = pare_path_join(r.folder, "by_hand");
    char rounds[PARE_DIGEST_TEXT], hand[PARE_DIGEST_TEXT];
    r.options.iterations = 2;
    prune_run_do(&r);
    r.options.iterations = 1;
    r.options.ratio = 0.25;
    r.options.output = halfway;
    prune_run_do(&r);
    pare_model *dense = r.model;
    assert_int_equal(pare_model_open(halfway, &r.model), PARE_OK);
    r.options.ratio = 1.0 / 3.0;
    r.options.output = by_hand;
    prune_run_do(&r);
    pare_model_close(r.model);
    r.model = dense;
    digest_weights(r.output, rounds);
    digest_weights(by_hand, hand);
    assert_string_equal(rounds, hand);
    json_t *first = load_in(halfway, "pruning.json"), *second = load_in(by_hand, "pruning.json");
    json_t *both = load_in(r.output, "pruning.json");
    assert_int_equal(json_integer_value(json_object_get(both, "iterations")), 2);
    compare_lists(json_object_get(first, "layers"), json_object_get(second, "layers"), json_object_get(both, "layers"));
    json_decref(first);
    json_decref(second);
    json_decref(both);
    free(halfway);
    free(by_hand);
    prune_run_close(&r);
}

/* Every mode and a repair: what was removed is what one round would have removed, and nothing stays behind. */
static void rounds_of_every_mode(void **state) {
    (void)state;
    static const struct {
        const char *method, *key, *value;
        double ratio;
    } cases[] = {{"taylor", "mode", "channel", 0.5},     {"layer-influence", "mode", "layer", 0.5},
                 {"layer-first", "mode", "layer", 0.5},  {"taylor", "gqa", "query", 0.5},
                 {"best", "select", "local", 0.5},       {"taylor", "compensate", "ls", 0.5},
                 {"moreau-gs", "reduction", "max", 0.5}, {"taylor", "select", "rising", 0.4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_model of = tiny;
        of.layers = 4;
        prune_run r = prune_run_open(of);
        pare_setting setting = {cases[i].key, cases[i].value};
        char *scratch = pare_path_join(r.folder, "scratch");
        assert_int_equal(mkdir(scratch, 0755), 0);
        uint64_t before = pare_memory_current();
        r.runtime.scratch = scratch;
        r.options.method = cases[i].method;
        r.options.ratio = cases[i].ratio;
        r.options.settings = &setting;
        r.options.setting_count = 1;
        r.options.force = true;
        pare_widths widths[4];
        uint32_t layers = 0, hidden = 0;
        for (uint32_t rounds = 1; rounds <= 3; rounds++) {
            r.options.iterations = rounds;
            json_t *report = prune_run_report(&r);
            size_t traces = json_array_size(json_object_get(report, "traces"));
            assert_int_equal(traces, strcmp(cases[i].method, "moreau-gs") == 0 && rounds > 1 ? rounds : 0);
            json_decref(report);
            pare_model *smaller;
            assert_int_equal(pare_model_open(r.output, &smaller), PARE_OK);
            const pare_config *c = &smaller->config;
            if (rounds == 1) {
                layers = c->layers;
                hidden = c->hidden;
                memcpy(widths, c->widths, layers * sizeof *widths);
            }
            assert_true(c->layers == layers && c->hidden == hidden);
            assert_memory_equal(c->widths, widths, layers * sizeof *widths);
            pare_model_close(smaller);
            prune_run_assert_holds(scratch, "");
        }
        assert_true(pare_memory_current() == before);
        free(scratch);
        prune_run_close(&r);
    }
}

/* Of the original's channels, not of what the last round left. */
static void shares_that_stay_are_of_the_original(void **state) {
    (void)state;
    static const char *const rankings[] = {"global", "global-raw"};
    for (size_t i = 0; i < 2; i++) {
        prune_run r = prune_run_open(tiny);
        pare_setting settings[] = {{"select", rankings[i]}, {"keep_min", "0.5"}};
        r.options.settings = settings;
        r.options.setting_count = 2;
        r.options.ratio = 0.45;
        r.options.iterations = 3;
        prune_run_do(&r);
        pare_model *smaller;
        assert_int_equal(pare_model_open(r.output, &smaller), PARE_OK);
        for (uint32_t j = 0; j < smaller->config.layers; j++)
            assert_true(smaller->config.widths[j].ffn >= 6 && smaller->config.widths[j].kv_heads >= 2);
        pare_model_close(smaller);
        prune_run_close(&r);
    }
}

static void too_many_rounds(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.iterations = 1001;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--iterations 1001"));
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_rounds_are_two_runs),
        cmocka_unit_test(rounds_of_every_mode),
        cmocka_unit_test(shares_that_stay_are_of_the_original),
        cmocka_unit_test(too_many_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
