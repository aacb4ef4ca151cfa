/* --allocate search as a person uses it: what it refuses, what it keeps to, what it reports, and that a stop leaves
 * nothing behind. */
#include "cli/workplace.h"

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

#define PRUNE "prune", model, "--dry-run", "--quiet"
#define SAID "--prompt", "once", "--tokens", "12", "--temperature", "0", "--compute", "fp32"
#define SEARCHED "--allocate", "search", "--samples", "8", "--length", "32", "--threads", "1", "--search-steps", "24"

static void what_makes_no_sense(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "--choose obs", PRUNE, "--ratio", "0.2", "--method", "taylor", "--allocate", "search");
    EXPECT_FAILURE(2, "--choose obs", PRUNE, "--ratio", "0.2", "--mode", "layer", "--choose", "scores", "--allocate",
                   "search");
    EXPECT_FAILURE(2, "--select global", PRUNE, "--ratio", "0.2", "--allocate", "cost");
    EXPECT_FAILURE(2, "--select uniform", PRUNE, "--ratio", "0.2", "--select", "rising", "--allocate", "search");
    EXPECT_FAILURE(2, "--gqa kv", PRUNE, "--ratio", "0.2", "--gqa", "query", "--allocate", "search");
    EXPECT_FAILURE(2, "--iterations", PRUNE, "--ratio", "0.2", "--iterations", "2", "--allocate", "search");
    EXPECT_FAILURE(2, "--ratio one", PRUNE, "--ratio", "0,0,0.1,0.1,0.2,0.2", "--allocate", "search");
    EXPECT_FAILURE(2, "--samples", PRUNE, "--ratio", "0.2", "--allocate", "search", "--samples", "1", "--length", "16");
    EXPECT_FAILURE(2, "--search-steps", PRUNE, "--ratio", "0.2", "--allocate", "search", "--search-steps", "0");
    EXPECT_FAILURE(2, "from 1 to 5", PRUNE, "--ratio", "0.2", "--allocate", "search", "--search-rounds", "6");
    EXPECT_FAILURE(2, "--select uniform makes all layers alike", PRUNE, "--ratio", "0.2", "--allocate", "search",
                   "--select", "uniform", "--drop-halves", "yes");
    EXPECT_FAILURE(2, "leave out --drop-halves", PRUNE, "--ratio", "0.2", "--allocate", "search", "--keep-min", "0.1",
                   "--drop-halves", "yes");
    EXPECT_FAILURE(2, "neither a pattern", PRUNE, "--pattern", "2:4", "--method", "wanda", "--allocate", "search");
    EXPECT_FAILURE(2, "no other shares", PRUNE, "--sparsity", "0.5", "--reach", "0", "--allocate", "search");
    EXPECT_FAILURE(2, "reads none", PRUNE, "--sparsity", "0.5", "--method", "magnitude", "--allocate", "search");
    EXPECT_FAILURE(2, "--compare global", PRUNE, "--sparsity", "0.5", "--method", "wanda", "--compare", "global",
                   "--allocate", "search");
}

static json_t *report_of(program_result result) {
    json_t *report = json_loads(result.out, 0, NULL);
    if (!report) fprintf(stderr, "%s\n%s\n", result.out, result.err);
    assert_non_null(report);
    program_result_free(&result);
    return report;
}

static double number_at(const json_t *json, const char *name) {
    const json_t *value = json_object_get(json, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* What a round of a search says of itself; and the plan's scratch file, of what the walks leave, is a part of what goes
 * layer by layer. */
static void expect_search(const json_t *report, size_t rounds, double most) {
    const json_t *search = json_object_get(report, "search");
    const json_t *plan = json_object_get(json_object_get(report, "memory"), "plan");
    assert_true(number_at(plan, "scratch") > 0.0 && number_at(plan, "scratch") < number_at(plan, "repair"));
    assert_int_equal(json_array_size(search), rounds);
    for (size_t i = 0; i < rounds; i++) {
        const json_t *round = json_array_get(search, i);
        assert_true(number_at(round, "end") <= number_at(round, "program"));
        assert_true(number_at(round, "program") <= number_at(round, "start"));
        assert_true(number_at(round, "measurements") <= most && number_at(round, "sequences") == 2);
    }
}

static double after(const json_t *report, const char *what) {
    return number_at(json_object_get(report, what), "after");
}

static void widths_keep_the_target(void **state) {
    (void)state;
    json_t *first = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--ratio", "0.4", SEARCHED, "--search-rounds", "2"));
    json_t *again = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--ratio", "0.4", SEARCHED, "--search-rounds", "2"));
    json_t *local = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--ratio", "0.4", "--method", "magnitude-l1"));
    expect_search(first, 2, 24);
    const char *digest = json_string_value(json_object_get(first, "kept_sha256"));
    assert_string_equal(digest, json_string_value(json_object_get(again, "kept_sha256")));
    double target = after(local, "parameters"), left = after(first, "parameters");
    assert_true(left <= target && target - left < 3 * 144); /* a channel of d = 144 */
    json_decref(first);
    json_decref(again);
    json_decref(local);
    first = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--params", "900K", "--method", "obs", SEARCHED));
    assert_true(after(first, "parameters") <= 900000 && after(first, "parameters") > 899000);
    json_decref(first);
    first = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--bytes", "1700K", "--method", "obs", SEARCHED));
    assert_true(after(first, "bytes") <= 1700 * 1024 && after(first, "bytes") > 1690 * 1024);
    json_decref(first);
}

/* One width for all, which a stock engine loads. */
static void uniform_widths(void **state) {
    workplace *place = *state;
    json_t *report = report_of(EXPECT_SUCCESS("prune", model, "-o", place->output, "--quiet", "--json", "--ratio",
                                              "0.4", "--select", "uniform", SEARCHED));
    expect_search(report, 1, 4);
    const json_t *layers = json_object_get(report, "layers");
    for (size_t i = 1; i < json_array_size(layers); i++)
        for (int j = 0; j < 2; j++) {
            const char *name = j ? "kv_heads_kept" : "ffn_channels_kept";
            assert_int_equal(json_array_size(json_object_get(json_array_get(layers, i), name)),
                             json_array_size(json_object_get(json_array_get(layers, 0), name)));
        }
    assert_string_not_equal(json_string_value(json_object_get(json_object_get(report, "output"), "kind")), "per-layer");
    json_decref(report);
}

/* Whole halves may go: what is written is read, evaluated, and pruned again, as a folder and as a GGUF file. */
static void halves_go(void **state) {
    workplace *place = *state;
    char *gguf = pare_format("%s.gguf", place->output);
    json_t *report = report_of(EXPECT_SUCCESS("prune", model, "-o", place->output, "--quiet", "--json", "--ratio",
                                              "0.9", "--drop-halves", "yes", SEARCHED));
    const json_t *layers = json_object_get(report, "layers");
    size_t without = 0;
    for (size_t i = 0; i < json_array_size(layers); i++)
        for (int j = 0; j < 2; j++) {
            const char *name = j ? "kv_heads_kept" : "ffn_channels_kept";
            without += json_array_size(json_object_get(json_array_get(layers, i), name)) == 0;
        }
    assert_true(without > 0);
    json_decref(report);
    program_result exported = EXPECT_SUCCESS("export", place->output, "-o", gguf);
    program_result folder = EXPECT_SUCCESS("generate", place->output, SAID),
                   file = EXPECT_SUCCESS("generate", gguf, SAID);
    assert_true(strlen(folder.out) > strlen("once"));
    assert_string_equal(folder.out, file.out);
    program_result_free(&exported);
    program_result_free(&folder);
    program_result_free(&file);
    json_decref(report_of(EXPECT_SUCCESS("prune", place->output, "--dry-run", "--quiet", "--json", "--ratio", "0.2",
                                         "--drop-halves", "yes", SEARCHED)));
    assert_int_equal(unlink(gguf), 0);
    free(gguf);
}

static void shares_of_single_weights(void **state) {
    (void)state;
    static const char *const methods[] = {"wanda", "sparsegpt"};
    for (size_t i = 0; i < 2; i++) {
        json_t *report =
            report_of(EXPECT_SUCCESS(PRUNE, "--json", "--sparsity", "0.6", "--method", methods[i], SEARCHED));
        const json_t *sparsity = json_object_get(report, "sparsity");
        expect_search(report, 1, 24);
        double reached = number_at(sparsity, "share");
        assert_true(reached > 0.59 && reached < 0.6001);
        json_decref(report);
    }
}

static void a_stop_leaves_nothing(void **state) {
    workplace *place = *state;
    int ends[2];
    char line[512], *scratch = pare_path_join(place->folder, "scratch");
    assert_int_equal(mkdir(scratch, 0755), 0);
    char *before = workplace_list(place->folder);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const words[] = {
        "prune", place->model,     "-o",     place->output, "--ratio", "0.4",        "--scratch", scratch, "--samples",
        "128",   "--search-steps", "100000", "--length",    "128",     "--allocate", "search",    NULL};
    pid_t child = program_start(words, -1, ends[1], NULL);
    close(ends[1]);
    FILE *err = fdopen(ends[0], "r");
    bool began = false; /* a search of so much text takes seconds, and tells of itself after a part of one */
    while (!began && fgets(line, sizeof line, err))
        began = strstr(line, "searching widths") != NULL;
    kill(child, SIGINT);
    while (fgets(line, sizeof line, err)) {
    }
    assert_true(began);
    assert_int_equal(program_wait(child, 60), 1);
    fclose(err);
    workplace_expect_entries(place->folder, before);
    workplace_expect_entries(scratch, ".\n..\n");
    free(before);
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_sense),
        cmocka_unit_test(widths_keep_the_target),
        cmocka_unit_test_setup_teardown(uniform_widths, workplace_open, workplace_close),
        cmocka_unit_test_setup_teardown(halves_go, workplace_open, workplace_close),
        cmocka_unit_test(shares_of_single_weights),
        cmocka_unit_test_setup_teardown(a_stop_leaves_nothing, workplace_open, workplace_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
