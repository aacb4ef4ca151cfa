/* What an effort sets, where it does not, and who has none. */
#include "golden.h"
#include "method/effort.h"
#include "options/resolve.h"
#include "tiny_model.h"

static pare_status resolve(const pare_prune_options *options, pare_recipe *out) {
    return pare_recipe_resolve(options, out);
}

static pare_prune_options with(const char *method, const pare_setting *settings, size_t count) {
    pare_prune_options o = PARE_PRUNE_OPTIONS_INIT;
    o.method = method;
    o.ratio = 0.2;
    o.settings = settings;
    o.setting_count = count;
    return o;
}

/* All settings as a recipe file would have them. */
static json_t *settings_of(const pare_prune_options *options) {
    pare_recipe recipe;
    if (resolve(options, &recipe) != PARE_OK) fail_msg("%s", pare_message());
    return pare_recipe_settings_json(&recipe, false);
}

static void expect_setting(const json_t *settings, const pare_effort_change *change) {
    const json_t *value = json_object_get(settings, change->key);
    char *end;
    double number = strtod(change->value, &end);
    assert_non_null(value);
    if (*end)
        assert_string_equal(json_string_value(value), change->value);
    else
        assert_true(json_number_value(value) == number);
}

/* Every row of the table is a key that means something for its method, and what it says comes out; all else stays. */
static void every_row_is_in_effect(void **state) {
    (void)state;
    pare_effort_change row;
    size_t rows = 0;
    for (size_t i = 0; pare_effort_at(i, &row); i++, rows++) {
        const pare_setting effort = {"effort", row.effort};
        pare_prune_options o = with(row.method, &effort, 1);
        o.sparsity.given = pare_recipe_find(row.method)->mode == PARE_MODE_ELEMENT;
        o.sparsity.share = 0.5;
        pare_recipe recipe;
        if (strcmp(row.key, "samples") == 0) {
            assert_int_equal(resolve(&o, &recipe), PARE_OK);
            assert_int_equal(pare_recipe_usual_samples(&recipe), strtol(row.value, NULL, 10));
            continue;
        }
        json_t *settings = settings_of(&o);
        expect_setting(settings, &row);
        assert_string_equal(json_string_value(json_object_get(settings, "effort")), row.effort);
        json_decref(settings);
    }
    assert_true(rows > 3);
}

/* The normal one is the method itself, and no report has it. */
static void normal_is_the_method(void **state) {
    (void)state;
    const pare_setting effort = {"effort", "normal"};
    pare_prune_options asked = with("best", &effort, 1), bare = with("best", NULL, 0);
    json_t *one = settings_of(&asked), *other = settings_of(&bare);
    assert_true(json_equal(one, other));
    assert_null(json_object_get(one, "effort"));
    json_decref(one);
    json_decref(other);
}

static void what_was_set_wins(void **state) {
    (void)state;
    const pare_setting settings[] = {{"readers", "0.5"}, {"effort", "quick"}, {"metric", "fisher"}};
    pare_prune_options o = with("best", settings, 3);
    pare_recipe recipe;
    assert_int_equal(resolve(&o, &recipe), PARE_OK);
    assert_true(recipe.readers == 0.5 && recipe.metric == PARE_METRIC_FISHER && recipe.dense == 0.0);
    json_t *effort = pare_effort_json(&recipe), *changes = json_object_get(effort, "changes");
    assert_string_equal(json_string_value(json_object_get(effort, "level")), "quick");
    assert_null(json_object_get(changes, "readers"));
    assert_null(json_object_get(changes, "metric"));
    assert_true(json_real_value(json_object_get(changes, "dense")) == 0.0 && json_object_get(changes, "dense"));
    json_decref(effort);
}

/* Where one search of widths does not serve, there is none. */
static void searches_only_where_they_fit(void **state) {
    (void)state;
    static const double shares[] = {0.1, 0.2};
    const pare_setting settings[] = {{"effort", "high"}, {"select", "rising"}},
                       queries[] = {{"effort", "high"}, {"gqa", "query"}};
    pare_prune_options fits = with("best", settings, 1), ranked = with("best", settings, 2),
                       grouped = with("best", queries, 2), rounds = fits, listed = fits;
    rounds.iterations = 2;
    listed.ratios = shares;
    listed.ratio_count = 2;
    pare_recipe recipe;
    assert_int_equal(resolve(&fits, &recipe), PARE_OK);
    assert_true(pare_recipe_searches(&recipe) && recipe.reconstruct > 0);
    const pare_prune_options *others[] = {&ranked, &grouped, &rounds, &listed};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(resolve(others[i], &recipe), PARE_OK);
        assert_true(!pare_recipe_searches(&recipe) && recipe.reconstruct > 0);
    }
}

/* In one sentence that names those who have. */
static void others_have_none(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "obs", "wanda", "loraprune"}, *const levels[] = {"quick", "high"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        for (size_t j = 0; j < 2; j++) {
            const pare_setting effort = {"effort", levels[j]};
            pare_prune_options o = with(methods[i], &effort, 1);
            pare_recipe recipe;
            o.sparsity.given = pare_recipe_find(methods[i])->mode == PARE_MODE_ELEMENT;
            assert_int_equal(resolve(&o, &recipe), PARE_BAD_ARGUMENT);
            assert_non_null(strstr(pare_message(), methods[i]));
            assert_non_null(strstr(pare_message(), "best and best-sparse"));
        }
    const pare_setting wrong = {"effort", "some"};
    pare_prune_options o = with("best", &wrong, 1);
    pare_recipe recipe;
    assert_int_equal(resolve(&o, &recipe), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "normal, quick or high"));
}

/* A recipe file's own keys win as options do; one that was made of no method has no effort. */
static void recipe_files(void **state) {
    (void)state;
    char *folder = tiny_folder(), *path = pare_path_join(folder, "r.json");
    pare_prune_options o = with(NULL, NULL, 0);
    pare_recipe recipe;
    o.recipe = path;
    tiny_write_text(folder, "r.json", "{\"base\": \"best\", \"effort\": \"quick\", \"dense\": 0.25}");
    assert_int_equal(resolve(&o, &recipe), PARE_OK);
    assert_true(recipe.dense == 0.25 && recipe.readers == 0.0 && pare_recipe_usual_samples(&recipe) == 64);
    const pare_setting high = {"effort", "high"};
    o.settings = &high;
    o.setting_count = 1;
    assert_int_equal(resolve(&o, &recipe), PARE_OK);
    assert_true(recipe.dense == 0.25 && recipe.readers == 1.0 && pare_recipe_searches(&recipe));
    o.setting_count = 0;
    tiny_write_text(folder, "r.json", "{\"base\": \"taylor\",\n\"effort\": \"quick\"}");
    assert_int_equal(resolve(&o, &recipe), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "line 2"));
    tiny_write_text(folder, "r.json", "{\"choose\": \"obs\",\n\"compensate\": \"ls\",\n\"effort\": \"quick\"}");
    assert_int_equal(resolve(&o, &recipe), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "line 3"));
    tiny_remove(folder);
    free(folder);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_in_effect), cmocka_unit_test(normal_is_the_method),
        cmocka_unit_test(what_was_set_wins),      cmocka_unit_test(searches_only_where_they_fit),
        cmocka_unit_test(others_have_none),       cmocka_unit_test(recipe_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
