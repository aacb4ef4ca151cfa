/* pare prune --recover: one command prunes, trains and measures; OUT is what came of both, or nothing. */
#include "cli/training_rows.h"

#define QUICK_RECOVERY "--recover-steps", "12", "--recover-batch", "8", "--recover-rate", "3e-3", "--threads", "1"

static void one_command_does_all(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place);
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--ratio", "0.5", "--method",
                                           "magnitude-l2", "--recover", rows, "--eval", rows, "--window", "16",
                                           "--continuations", "3", "--json", "--quiet", QUICK_RECOVERY);
    json_t *report = json_loads(result.out, 0, NULL);
    assert_non_null(report);
    double pruned = at(report, "texts.0.after.perplexity"), recovered = at(report, "texts.0.recovered.perplexity");
    assert_true(recovered < 0.8 * pruned);
    /* Both stages are compared with the dense model, which teaches nothing here; and all three write. */
    assert_true(at(report, "texts.0.after.kl") > 0 && at(report, "texts.0.recovered.kl") > 0);
    assert_true(at(report, "texts.0.recovered.top1") > 0);
    assert_int_equal((int)at(report, "texts.0.before.continuations.texts"), 3);
    assert_int_equal((int)at(report, "texts.0.after.continuations.texts"), 3);
    assert_int_equal((int)at(report, "texts.0.recovered.continuations.texts"), 3);
    double kl = at(report, "texts.0.recovered.kl");
    assert_true(at(report, "parameters.after") < at(report, "parameters.before"));
    assert_int_equal((int)at(report, "recovery.steps"), 12);
    json_decref(report);
    program_result_free(&result);
    /* What is on the disk is what was measured. */
    result = EXPECT_SUCCESS("eval", place->output, "--text", rows, "--window", "16", "--against", place->model,
                            "--json", "--quiet");
    report = json_loads(result.out, 0, NULL);
    double measured = at(report, "texts.0.perplexity");
    assert_true(measured > 0.999 * recovered && measured < 1.001 * recovered);
    assert_true(fabs(at(report, "texts.0.kl") - kl) < 1e-3 * kl);
    json_decref(report);
    program_result_free(&result);
    char *manifest = pare_path_join(place->output, "pruning.json"),
         *record = pare_path_join(place->output, "recovery.json");
    assert_true(pare_file_exists(manifest));
    /* The folder of the pruned model is gone: it is not named. */
    report = json_load_file(record, 0, NULL);
    assert_true(json_is_null(json_object_get(json_object_get(report, "model"), "path")));
    json_decref(report);
    free(manifest);
    free(record);
    free(rows);
}

static void zeros_stay(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place);
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--sparsity", "0.5", "--method",
                                           "magnitude", "--recover", rows, "--json", "--quiet", QUICK_RECOVERY);
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", place->output, "--tensors", "--json");
    json_t *report = json_loads(result.out, 0, NULL), *tensor;
    size_t i, sparse = 0;
    json_array_foreach(json_object_get(report, "tensors"), i, tensor) {
        sparse += json_number_value(json_object_get(tensor, "sparsity")) > 0.49;
    }
    assert_int_equal(sparse, 6 * 7);
    json_decref(report);
    program_result_free(&result);
    free(rows);
}

#define KEPT(out, ...)                                                                                                 \
    EXPECT_SUCCESS("prune", place->model, "-o", out, "--force", "--ratio", "0.5", "--quiet", __VA_ARGS__)

static void prune_kept(const workplace *place, const char *rows, bool lora, const char *out, const char *keep) {
    program_result result = lora ? KEPT(out, "--method", "loraprune", "--calib", rows, "--train-steps", "8",
                                        "--train-batch", "4", "--layers", "0:6", keep)
                                 : KEPT(out, "--method", "taylor", "--samples", "4", "--recover", rows,
                                        "--recover-steps", "3", "--recover-batch", "8", "--threads", "1", keep);
    program_result_free(&result);
}

/* Scores, and the training behind them or while pruning: none kept, all, and what the usual and the option alone keep.
 */
static void kept_activations_change_no_byte(void **state) {
    workplace *place = *state;
    static const char *const ways[] = {"--keep-activations=yes", "--keep-activations=auto", "--keep-activations"};
    char *rows = write_rows(place), *other = pare_path_join(place->folder, "other");
    for (int lora = 0; lora < 2; lora++) {
        prune_kept(place, rows, lora, place->output, "--keep-activations=no");
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            prune_kept(place, rows, lora, other, ways[i]);
            workplace_expect_same_file(place->output, other, "model.safetensors");
        }
    }
    free(other);
    free(rows);
}

/* The plan says what was decided; the option takes a value behind a space, or none before anything else. */
static void the_plan_says_what_is_kept(void **state) {
    workplace *place = *state;
#define PLANNED(...)                                                                                                   \
    EXPECT_SUCCESS("prune", __VA_ARGS__, "--dry-run", "--ratio", "0.5", "--method", "taylor", "--samples", "2")
    program_result result = PLANNED("--keep-activations", "no", place->model);
    assert_non_null(strstr(result.err, "none of 6 blocks kept for their backward"));
    program_result_free(&result);
    result = PLANNED("--keep-activations", place->model);
    assert_non_null(strstr(result.err, "all of 6 blocks kept for their backward"));
    program_result_free(&result);
    result = PLANNED(place->model);
    assert_non_null(strstr(result.err, "all of 6 blocks kept for their backward"));
    program_result_free(&result);
    EXPECT_FAILURE(2, "must be one of auto, yes, no, not 'often'", "prune", place->model, "--dry-run", "--ratio", "0.5",
                   "--keep-activations=often");
}

static void refused(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place);
    EXPECT_FAILURE(2, "--dry-run", "prune", place->model, "--dry-run", "--ratio", "0.2", "--recover", rows, "--quiet");
    EXPECT_FAILURE(2, "--recover FILE is missing", "prune", place->model, "-o", place->output, "--ratio", "0.2",
                   "--recover-steps", "3", "--quiet");
    EXPECT_FAILURE(1, "nowhere.json", "prune", place->model, "-o", place->output, "--ratio", "0.2", "--recover",
                   "nowhere.json", "--quiet");
    EXPECT_FAILURE(2, "inside", "prune", place->model, "-o", place->folder, "--ratio", "0.2", "--recover", rows,
                   "--quiet");
    workplace_expect_entries(place->folder, ".\n..\nmodel\nrows.json\n");
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(one_command_does_all),
        IN_A_WORKPLACE(zeros_stay),
        IN_A_WORKPLACE(kept_activations_change_no_byte),
        IN_A_WORKPLACE(the_plan_says_what_is_kept),
        IN_A_WORKPLACE(refused),
    };
    return cmocka_run_group_tests_name("prune --recover", tests, NULL, NULL);
}
