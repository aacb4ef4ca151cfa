/* Recipe files: every key, what a recipe becomes when it is written and read again, and every mistake with its line. */
#include "golden.h"
#include "options/resolve.h"
#include "tiny_model.h"

static char *folder, *path;

static int set_up(void **state) {
    (void)state;
    folder = tiny_folder();
    path = pare_path_join(folder, "r.json");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tiny_remove(folder);
    free(folder);
    free(path);
    return 0;
}

static pare_status resolve(const char *text, pare_recipe *out) {
    tiny_write_text(folder, "r.json", text);
    pare_prune_options options = {.recipe = path, .sigma = -1.0, .eta = -1.0};
    return pare_recipe_resolve(&options, out);
}

static void accept(const char *text, pare_recipe *out) {
    pare_status status = resolve(text, out);
    if (status) fprintf(stderr, "%s\n%s\n", text, pare_message());
    assert_int_equal(status, PARE_OK);
}

/* The message names the file and all the parts. */
static void refuse(const char *text, const char *const parts[], size_t count) {
    pare_recipe recipe;
    assert_int_not_equal(resolve(text, &recipe), PARE_OK);
    assert_non_null(strstr(pare_message(), path));
    for (size_t i = 0; i < count; i++) {
        if (!strstr(pare_message(), parts[i])) fprintf(stderr, "%s\nlacks %s\n", pare_message(), parts[i]);
        assert_non_null(strstr(pare_message(), parts[i]));
    }
}
#define REFUSE(text, ...)                                                                                              \
    refuse(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static void a_byte_order_mark_is_passed_over(void **state) {
    (void)state;
    pare_recipe r;
    accept("\xef\xbb\xbf{\"base\": \"taylor\", \"select\": \"global\"}", &r);
    assert_int_equal(r.ranking, PARE_RANK_GLOBAL);
    REFUSE("\xef\xbb\xbf{\"base\": \"taylor\",\n\"foo\": 1}", "line 2", "foo");
}

static void keys_of_scores(void **state) {
    (void)state;
    pare_recipe r;
    accept("{\"signal\": \"gradient\", \"salience\": \"param_mix\", \"reduction\": \"max\", \"alignment\": "
           "\"llm-pruner\", \"mode\": \"block\", \"select\": \"rising\", \"gqa\": \"query\", \"keep_min\": 0.25, "
           "\"rise\": 0.5, \"compensate\": \"ls\", \"dense\": 0.5, \"readers\": 0.25, \"final_norm\": \"yes\", "
           "\"damping\": 0.125, \"reader_damping\": 0.0625}",
           &r);
    assert_true(r.signal == PARE_SIGNAL_GRADIENT && r.salience == &pare_salience_mixed);
    assert_true(r.reduction == PARE_REDUCE_MAX && r.alignment == PARE_ALIGN_STRIDED && r.mode == PARE_MODE_BLOCK);
    assert_true(r.ranking == PARE_RANK_RISING && r.query_heads && r.keep_min == 0.25 && r.rise == 0.5);
    assert_true(r.compensation == PARE_COMPENSATE_LS && r.dense == 0.5 && r.readers == 0.25 && r.final_norm);
    assert_true(r.damping == 0.125 && r.reader_damping == 0.0625 && r.choice == PARE_CHOOSE_SCORES);
    accept("{\"choose\": \"obs\", \"metric\": \"plain\", \"fraction\": 0.5, \"final_norm\": false, \"gqa\": true}", &r);
    assert_true(r.choice == PARE_CHOOSE_OBS && r.metric == PARE_METRIC_PLAIN && r.fraction == 0.5 && !r.final_norm);
    assert_true(r.query_heads && r.signal == PARE_SIGNAL_NONE && r.salience == NULL);
}

static void keys_of_moreau(void **state) {
    (void)state;
    pare_recipe r;
    accept("{\"signal\": \"moreau\", \"salience\": \"param_first\", \"prox\": \"l1\", \"steps\": 3, \"draws\": 2, "
           "\"sigma\": 0, \"rho\": 0.5, \"gamma\": 0.25, \"eta\": 0.125, \"eta_quantile\": 0.375, \"tail\": 2}",
           &r);
    assert_true(r.signal == PARE_SIGNAL_MOREAU && r.moreau.prox == PARE_PROX_L1 && r.moreau.steps == 3);
    assert_true(r.moreau.draws == 2 && r.moreau.sigma == 0.0 && r.moreau.rho == 0.5 && r.moreau.gamma == 0.25);
    assert_true(r.moreau.eta == 0.125 && r.moreau.eta_quantile == 0.375 && r.moreau.tail == 2);
    accept("{\"base\": \"moreau-gs\", \"steps\": 4}", &r);
    assert_true(r.moreau.prox == PARE_PROX_GROUP && r.moreau.steps == 4 && r.moreau.rho == 0.2);
    accept("{\"steps\": 4, \"base\": \"moreau-gs\"}", &r); /* the base comes first wherever it stands */
    assert_true(r.moreau.prox == PARE_PROX_GROUP && r.moreau.steps == 4);
}

/* What the report shows of a preset is a recipe file for the same preset. */
static void presets_survive_a_round_trip(void **state) {
    (void)state;
    for (size_t i = 0; pare_recipe_name(i); i++) {
        pare_recipe r, again;
        pare_prune_options options = {.method = pare_recipe_name(i), .sigma = -1.0, .eta = -1.0};
        assert_int_equal(pare_recipe_resolve(&options, &r), PARE_OK);
        json_t *json = pare_recipe_json(&r), *json_again;
        char *text = json_dumps(json, JSON_INDENT(1));
        accept(text, &again);
        json_again = pare_recipe_json(&again);
        if (!json_equal(json, json_again)) fprintf(stderr, "%s\n", text);
        assert_true(json_equal(json, json_again));
        json_decref(json);
        json_decref(json_again);
        free(text);
    }
}

static void every_choice_is_accepted_by_name(void **state) {
    (void)state;
    size_t choices = 0;
    for (size_t i = 0; pare_setting_key(i); i++)
        for (size_t j = 0; pare_setting_choice(pare_setting_key(i), j); j++, choices++) {
            const pare_key *key = pare_key_find(pare_setting_key(i));
            /* units are shared out by their ranking, unless they are searched */
            pare_recipe recipe = *pare_recipe_find(strcmp(key->name, "allocate") == 0 ? "wanda" : "moreau");
            const char *choice = pare_setting_choice(key->name, j);
            assert_int_equal(pare_key_set_name(key, "here", choice, &recipe), PARE_OK);
            json_t *value = pare_key_json(key, &recipe);
            assert_true(json_is_string(value));
            assert_string_equal(json_string_value(value), choice);
            json_decref(value);
        }
    assert_true(choices > 40);
    assert_null(pare_setting_choice("steps", 0));
    assert_null(pare_setting_choice("nonsense", 0));
}

static void mistakes_have_a_line(void **state) {
    (void)state;
    REFUSE("{\n\"base\": \"taylor\",\n\n\"selct\": \"global\"}", "line 4", "'selct'", "select", "salience", "base");
    REFUSE("{\"base\": \"taylor\",\n\"select\": \"globl\"}", "line 2", "'globl'", "local, uniform, global");
    REFUSE("{\"base\": \"taylor\",\n\"salience\": \"l3\"}", "line 2", "'l3'", "param_first", "wanda");
    REFUSE("{\"base\": \"taylor\",\n\"select\": 3}", "line 2", "select 3", "global");
    REFUSE("{\"base\": \"taylor\",\n\"keep_min\": \"some\"}", "line 2", "'some'", "share");
    REFUSE("{\"base\": \"taylor\",\n\"keep_min\": 1.5}", "line 2", "keep_min 1.5", "from 0 to 1");
    REFUSE("{\"base\": \"moreau\",\n\"steps\": 2.5}", "line 2", "steps 2.5", "number of steps");
    REFUSE("{\"base\": \"moreau\",\n\"steps\": 0}", "line 2", "steps 0");
    REFUSE("{\"base\": \"moreau\",\n\"rho\": 0}", "line 2", "rho 0", "positive");
    REFUSE("{\"base\": \"moreau\",\n\"steps\": [1]}", "line 2", "steps must be");
    REFUSE("{\"base\": \"moreau\",\n\"steps\": null}", "line 2", "steps must be");
    REFUSE("{\"base\": \"moreau\",\n\"steps\": true}", "line 2", "steps must be");
    REFUSE("{\n\"base\": \"tailor\"}", "line 2", "base", "pare help methods");
    REFUSE("{\n\n\"base\": 7}", "line 3", "base");
    REFUSE("{\"base\": \"taylor\",\n\"select\": \"local\",\n\"select\": \"global\"}", "line 3", "select");
    REFUSE("{\"base\": \"taylor\",\n\"select\" \"local\"}", "line 2");
    REFUSE("[1]", "JSON object");
    REFUSE("", "line 1");
    REFUSE("{\"base\": \"taylor\"} and more", "line 1");
}

/* A word that stands as a value first; keys with an empty or odd name. */
static void the_line_is_that_of_the_key(void **state) {
    (void)state;
    REFUSE("{\"base\":\n\"foo\",\n\"foo\": 1}", "line 1", "base");
    REFUSE("{\"select\":\n\"gamma\",\n\"gamma\":\n1}", "line 1", "'gamma'");
    REFUSE("{\n\"\": 1}", "line 2", "''");
    REFUSE("{\n\"mo\\u0064es\": 1}", "'modes'");
}

static void keys_without_a_meaning(void **state) {
    (void)state;
    REFUSE("{\"base\": \"taylor\",\n\"eta\": 0.5}", "line 2", "eta has no meaning");
    REFUSE("{\"base\": \"taylor\",\n\"metric\": \"plain\"}", "line 2", "metric");
    REFUSE("{\"base\": \"taylor\", \"mode\": \"channel\",\n\"select\": \"global\"}", "line 2", "select");
    REFUSE("{\"base\": \"random\",\n\"reduction\": \"max\"}", "line 2", "reduction");
    REFUSE("{\"base\": \"moreau-released\",\n\"rho\": 0.5}", "line 2", "rho");
}

static void contradictions_name_the_file(void **state) {
    (void)state;
    REFUSE("{\"base\": \"taylor\", \"salience\": \"l1\"}", "reads no signal");
    REFUSE("{\"base\": \"layer-first\", \"mode\": \"block\"}", "--mode layer");
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    pare_recipe r;
    pare_prune_options options = {.recipe = "/nowhere/r.json", .sigma = -1.0, .eta = -1.0};
    assert_int_equal(pare_recipe_resolve(&options, &r), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "/nowhere/r.json"));
    options.recipe = folder;
    assert_int_not_equal(pare_recipe_resolve(&options, &r), PARE_OK);
    options.method = "taylor";
    assert_int_equal(pare_recipe_resolve(&options, &r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "not both"));
}

/* Whether an iteration is pulled to the weights follows from its prox: the file has no other word for it. */
static void released_loops_have_no_pull(void **state) {
    (void)state;
    pare_recipe r;
    accept("{\"base\": \"moreau\", \"prox\": \"released\"}", &r);
    assert_true(r.moreau.unpulled);
    accept("{\"base\": \"moreau-gs-released\"}", &r);
    assert_true(r.moreau.unpulled);
    accept("{\"base\": \"moreau-gs-released\", \"prox\": \"group\"}", &r);
    assert_false(r.moreau.unpulled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(released_loops_have_no_pull),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(keys_of_scores),
        cmocka_unit_test(keys_of_moreau),
        cmocka_unit_test(presets_survive_a_round_trip),
        cmocka_unit_test(every_choice_is_accepted_by_name),
        cmocka_unit_test(mistakes_have_a_line),
        cmocka_unit_test(the_line_is_that_of_the_key),
        cmocka_unit_test(keys_without_a_meaning),
        cmocka_unit_test(contradictions_name_the_file),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
