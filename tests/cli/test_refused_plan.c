/* A job that is refused says its one sentence and no plan; one that is not says its plan before the work. */
#include "cli/workplace.h"

static void no_plan_of_what_is_refused(void **state) {
    const workplace *place = *state;
    char *missing = pare_path_join(place->folder, "missing"), *there = pare_path_join(place->folder, "there");
    workplace_write_text(place);
    assert_int_equal(mkdir(there, 0755), 0);
#define REFUSED(code, part, ...) EXPECT_NOTHING_LEFT(place, code, part, "prune", place->model, __VA_ARGS__)
    REFUSED(2, "no layer 9", "--dry-run", "--drop-layers", "9");
    REFUSED(2, "no layer 9", "--dry-run", "--drop-layers", "1,9", "--ratio", "0.2");
    REFUSED(2, "5:99", "--dry-run", "--drop-layers", "1", "--ratio", "0.2", "--layers", "5:99");
    REFUSED(2, "--targets", "--dry-run", "--drop-layers", "1", "--ratio", "0.2", "--targets", "mlp");
    REFUSED(2, "'nosuch'", "--dry-run", "--drop-layers", "1", "--sparsity", "0.2", "--targets", "nosuch");
    REFUSED(2, "'nosuch'", "--dry-run", "--sparsity", "0.2", "--skip", "nosuch");
    REFUSED(2, "2:99", "--dry-run", "--ratio", "0.2", "--layers", "2:99");
    REFUSED(2, "--length", "--dry-run", "--ratio", "0.2", "--method", "taylor", "--length", "100000");
    REFUSED(1, "missing", "--dry-run", "--ratio", "0.2", "--calib", missing);
    REFUSED(1, "exists already", "-o", there, "--ratio", "0.2");
    REFUSED(1, "exists already", "-o", there, "--ratio", "0.2", "--drop-layers", "1");
    REFUSED(1, "missing", "-o", place->output, "--ratio", "0.2", "--recover", missing);
    EXPECT_NOTHING_LEFT(place, 1, "missing", "recover", place->model, "-o", place->output, "--data", missing);
    EXPECT_NOTHING_LEFT(place, 1, "exists already", "recover", place->model, "-o", there, "--data", place->text);
    EXPECT_NOTHING_LEFT(place, 2, "--rank", "recover", place->model, "-o", place->output, "--data", place->text,
                        "--full", "--rank", "3");
    free(missing);
    free(there);
}

static void expect_plan(const char *const *words, const char *const *parts, const char *absent) {
    program_result result = program_expect_success(words);
    assert_int_equal(strncmp(result.err, "Plan\n", 5), 0);
    assert_null(strstr(result.err + 1, "Plan\n"));
    for (size_t i = 0; parts[i]; i++)
        if (!strstr(result.err, parts[i])) fail_msg("%s is not in\n%s", parts[i], result.err);
    if (absent) assert_null(strstr(result.err, absent));
    program_result_free(&result);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void one_plan_of_what_is_done(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    expect_plan(WORDS("prune", place->model, "--dry-run", "--drop-layers", "1"),
                WORDS("dropped      layer 1", "none (dry run)"), "calibration ");
    expect_plan(WORDS("prune", place->model, "--dry-run", "--ratio", "0.25", "--method", "random"),
                WORDS("method       random", "\nMemory\n"), "calibration ");
    expect_plan(WORDS("prune", place->model, "--dry-run", "--ratio", "0.25", "--method", "taylor", "--samples", "2",
                      "--length", "16"),
                WORDS("calibration  self", "sequences    2 x 16", "\nMemory\n"), NULL);
    expect_plan(WORDS("recover", place->model, "-o", place->output, "--data", place->text, "--steps", "1", "--val", "0",
                      "--cutoff", "32"),
                WORDS("preset       paper", "training     1 step", "\nMemory\n"), NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(no_plan_of_what_is_refused),
        IN_A_WORKPLACE(one_plan_of_what_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
