/* A model with experts as a GGUF file: what is exported, pruned to a file and pruned from one is the folder's model. */
#include "cli/workplace.h"

#define MODEL PARE_SOURCE_DIR "/examples/tiny-stories-moe"
#define EXPECT_OK(...) printed(EXPECT_SUCCESS(__VA_ARGS__))
#define SOME "--calib", place->text, "--samples", "4", "--length", "32"

/* What it prints, for free(). */
static char *printed(program_result result) {
    free(result.err);
    return result.out;
}

static int open_text(void **state) {
    workplace_open(state);
    workplace_write_text(*state);
    return 0;
}

/* In fp32, whose products are the same whatever holds the numbers. */
static double loss_of(const workplace *place, const char *model) {
    char *out = EXPECT_OK("eval", model, "--text", place->text, "--window", "32", "--compute", "fp32", "--threads", "1",
                          "--quiet", "--json");
    json_t *report = json_loads(out, 0, NULL);
    double loss = json_number_value(json_object_get(json_array_get(json_object_get(report, "texts"), 0), "nll"));
    assert_true(loss > 0);
    json_decref(report);
    free(out);
    return loss;
}

static void expect_same_loss(const workplace *place, const char *one, const char *other) {
    double a = loss_of(place, one), b = loss_of(place, other);
    if (!(fabs(a - b) <= 1e-9 * a)) fail_msg("%s: %.12g, %s: %.12g", one, a, other, b);
}

static void files_are_the_folder(void **state) {
    const workplace *place = *state;
    char *gguf = pare_path_join(place->folder, "moe.gguf"), *back = pare_path_join(place->folder, "back");
    char *out = EXPECT_OK("export", MODEL, "-o", gguf, "--type", "f32");
    assert_non_null(strstr(out, "loads in llama.cpp"));
    free(out);
    free(EXPECT_OK("convert", gguf, back, "--quiet"));
    expect_same_loss(place, MODEL, gguf);
    expect_same_loss(place, MODEL, back);
    out = EXPECT_OK("inspect", gguf);
    assert_non_null(strstr(out, "each token reaches 2 of 8"));
    free(out);
    free(gguf);
    free(back);
}

/* The same six of eight experts, to a file and from one. */
static void fewer_experts_go_both_ways(void **state) {
    const workplace *place = *state;
    char *gguf = pare_path_join(place->folder, "moe.gguf"), *small = pare_path_join(place->folder, "small.gguf");
    const char *const quietly = "--quiet";
    free(EXPECT_OK("export", MODEL, "-o", gguf, "--type", "f32", quietly));
    free(EXPECT_OK("prune", MODEL, "-o", small, "--type", "f32", "--mode", "expert", "--method", "expert-frequency",
                   "--ratio", "0.25", SOME, "--compute", "fp32", "--threads", "1", quietly));
    free(EXPECT_OK("prune", gguf, "-o", place->output, "--mode", "expert", "--method", "expert-frequency", "--ratio",
                   "0.25", SOME, "--compute", "fp32", "--threads", "1", "--no-report", quietly));
    expect_same_loss(place, small, place->output);
    char *out = EXPECT_OK("inspect", small);
    assert_non_null(strstr(out, "each token reaches 2 of 6"));
    free(out);
    free(gguf);
    free(small);
}

static void experts_are_weighed(void **state) {
    const workplace *place = *state;
    char *matrix = pare_path_join(place->folder, "moe.imatrix.gguf"), *gguf = pare_path_join(place->folder, "q.gguf");
    free(EXPECT_OK("imatrix", MODEL, "-o", matrix, SOME, "--quiet"));
    free(EXPECT_OK("export", MODEL, "-o", gguf, "--type", "q4_0", "--importance", matrix, "--quiet"));
    assert_true(loss_of(place, gguf) < 1.1 * loss_of(place, MODEL));
    EXPECT_NOTHING_LEFT(place, 1, "an importance matrix in place of text does not reach models with experts", "prune",
                        MODEL, "-o", place->output, "--method", "wanda", "--sparsity", "0.5", "--calib", matrix);
    free(matrix);
    free(gguf);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, open_text, workplace_close)

int main(void) {
    const struct CMUnitTest tests[] = {IN_PLACE(files_are_the_folder), IN_PLACE(fewer_experts_go_both_ways),
                                       IN_PLACE(experts_are_weighed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
