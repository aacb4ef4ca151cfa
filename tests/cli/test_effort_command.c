/* --effort as a person uses it: what the plan and the files say of it, and that what a run leaves makes it again. */
#include "cli/workplace.h"

#define SMALL "--ratio", "0.3", "--samples", "8", "--length", "32", "--threads", "1"

static void expect_quick(const workplace *place, const char *name) {
    char *file = pare_path_join(place->output, name);
    json_t *json = json_load_file(file, 0, NULL);
    const json_t *recipe = strcmp(name, "pruning.json") == 0 ? json_object_get(json, "recipe") : json;
    assert_string_equal(json_string_value(json_object_get(recipe, "effort")), "quick");
    assert_string_equal(json_string_value(json_object_get(recipe, "metric")), "plain");
    assert_true(json_is_real(json_object_get(recipe, "readers")));
    assert_true(json_real_value(json_object_get(recipe, "readers")) == 0.0);
    json_decref(json);
    free(file);
}

static void what_it_leaves_makes_it_again(void **state) {
    const workplace *place = *state;
    char *other = pare_path_join(place->folder, "again"), *recipe = pare_path_join(place->output, "recipe.json");
    program_result quick = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--effort", "quick", SMALL);
    assert_non_null(strstr(quick.err, "effort       quick: metric plain, dense 0, readers 0"));
    assert_null(strstr(quick.err, "samples 64")); /* that was set */
    assert_non_null(strstr(quick.err, "Time\n  in all       a moment\n"));
    expect_quick(place, "pruning.json");
    expect_quick(place, "recipe.json");
    program_result again = EXPECT_SUCCESS("prune", place->model, "-o", other, "--recipe", recipe, SMALL);
    workplace_expect_same_file(place->output, other, "model.safetensors");
    program_result_free(&quick);
    program_result_free(&again);
    free(other);
    free(recipe);
}

static void help_has_the_table(void **state) {
    const workplace *place = *state;
    program_result help = EXPECT_SUCCESS("help", "prune", "--effort");
    assert_non_null(strstr(help.out, "quick best:"));
    const char *high = strstr(help.out, "; high"); /* where a line may end */
    assert_true(high && strspn(high + 6, " \n") > 0 && strstr(high, "best-sparse: --reconstruct"));
    assert_non_null(strstr(help.out, "(default: normal)"));
    program_result_free(&help);
    EXPECT_NOTHING_LEFT(place, 2, "best and best-sparse", "prune", place->model, "-o", place->output, "--method",
                        "taylor", "--effort", "quick", SMALL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(what_it_leaves_makes_it_again),
        IN_A_WORKPLACE(help_has_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
