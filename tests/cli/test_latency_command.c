/* --latency as a person uses it: what it refuses, what it keeps to by the times of a table, and that the same table
 * makes the same model. */
#include "cli/workplace.h"

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

#define PRUNE "prune", model, "--dry-run", "--quiet"
/* In fp32, so that twenty measurements lead to the same widths on every CPU. */
#define SEARCHED "--compute", "fp32", "--allocate", "search", "--samples", "8", "--length", "32", "--threads", "1", "--search-steps", "20"

/* Attention takes nearly all of the time. */
static const char slow_heads[] = "{\"latency\": {\"table\": {\"rest\": 5000000, \"attention\": [[0, 0], [2, 30000000], "
                                 "[4, 60000000]], \"ffn\": [[0, 0], [384, 1000000]]}}}";

static char *write_table(workplace *place, const char *text) {
    tiny_write_text(place->folder, "times.json", text);
    return pare_path_join(place->folder, "times.json");
}

static void what_makes_no_sense(void **state) {
    workplace *place = *state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"{", "is no JSON"},
        {"{}", "no member latency.table"},
        {"{\"table\": {\"rest\": -1}}", "its rest is no time"},
        {"{\"table\": {\"rest\": 1, \"attention\": [[0, 0]]}}", "2 to 9 points"},
        {"{\"table\": {\"rest\": 1, \"attention\": [[0, 0], [4, 5], [2, 7]]}}", "widths rise"},
        {"{\"table\": {\"rest\": 1, \"attention\": [[0, 0], [2, 9], [4, 7]]}}", "do not fall"},
        {"{\"table\": {\"rest\": 1, \"attention\": [[0, 0], [4, 1.5]]}}", "widths rise"},
        {"{\"table\": {\"rest\": 1, \"attention\": [[0, 0], [77, 8]]}}", "widest attention or FFN is another"},
    };
    EXPECT_FAILURE(2, "needs --allocate search", PRUNE, "--latency", "0.7");
    EXPECT_FAILURE(2, "needs --allocate search", PRUNE, "--latency", "0.7", "--method", "taylor");
    EXPECT_FAILURE(2, "only one of", PRUNE, "--latency", "0.7", "--ratio", "0.2", SEARCHED);
    EXPECT_FAILURE(2, "only one of", PRUNE, "--latency", "0.7", "--sparsity", "0.5", SEARCHED);
    EXPECT_FAILURE(2, "--latency", PRUNE, "--latency", "1", SEARCHED);
    EXPECT_FAILURE(2, "give that, too", PRUNE, "--latency-table", "x.json", "--ratio", "0.2", SEARCHED);
    EXPECT_FAILURE(1, "nowhere.json", PRUNE, "--latency", "0.7", "--latency-table", "nowhere.json", SEARCHED);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *path = write_table(place, wrong[i].text);
        EXPECT_FAILURE(1, wrong[i].says, PRUNE, "--latency", "0.7", "--latency-table", path, SEARCHED);
        free(path);
    }
    char *path = write_table(place, slow_heads);
    EXPECT_FAILURE(2, "cannot be reached", PRUNE, "--latency", "0.001", "--latency-table", path, SEARCHED);
    free(path);
}

static json_t *report_of(program_result result) {
    json_t *report = json_loads(result.out, 0, NULL);
    if (!report) fprintf(stderr, "%s\n%s\n", result.out, result.err);
    assert_non_null(report);
    program_result_free(&result);
    return report;
}

static size_t kept_in(const json_t *layer, const char *what) {
    return json_array_size(json_object_get(layer, what));
}

/* The widths that were found, by the table, are what the report says, and within the share. */
static void expect_share(const json_t *report, double share) {
    const json_t *latency = json_object_get(report, "latency"), *layers = json_object_get(report, "layers");
    double found = 5e6, all = 5e6;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        found += 1.5e7 * (double)kept_in(layer, "kv_heads_kept");
        found += 1e6 * (double)kept_in(layer, "ffn_channels_kept") / 384;
        all += 6e7 + 1e6;
    }
    double expected = json_number_value(json_object_get(latency, "expected"));
    assert_true(fabs(expected - found / all) < 1e-5 && expected <= share && expected > share - 0.05);
    const json_t *measured = json_object_get(latency, "measured");
    double dense = json_number_value(json_object_get(measured, "dense_seconds"));
    double pruned = json_number_value(json_object_get(measured, "pruned_seconds"));
    assert_true(dense > 0.0 && pruned > 0.0);
    assert_true(fabs(json_number_value(json_object_get(measured, "share")) - pruned / dense) < 1e-6);
}

/* Where heads take all of the time, they go and hardly a channel does. */
static void what_takes_time_goes(void **state) {
    workplace *place = *state;
    char *path = write_table(place, slow_heads), *kept = pare_path_join(place->output, "pruning.json");
    json_t *report = report_of(EXPECT_SUCCESS("prune", model, "-o", place->output, "--quiet", "--json", "--latency",
                                              "0.7", "--latency-table", path, SEARCHED));
    expect_share(report, 0.7);
    const json_t *layers = json_object_get(report, "layers");
    size_t heads = 0, channels = 0, count = json_array_size(layers);
    for (size_t i = 0; i < count; i++) {
        heads += kept_in(json_array_get(layers, i), "kv_heads_kept");
        channels += kept_in(json_array_get(layers, i), "ffn_channels_kept");
    }
    assert_true(2 * heads < 7 * count && 10 * channels >= 9 * 384 * count);
    json_t *again = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--latency", "0.7", "--latency-table", kept, SEARCHED));
    assert_true(json_equal(json_object_get(report, "kept_sha256"), json_object_get(again, "kept_sha256")));
    json_decref(again);
    json_decref(report);
    report = report_of(
        EXPECT_SUCCESS(PRUNE, "--json", "--latency", "0.7", "--latency-table", path, "--select", "uniform", SEARCHED));
    const json_t *alike = json_object_get(report, "layers");
    for (size_t i = 1; i < json_array_size(alike); i++)
        assert_int_equal(kept_in(json_array_get(alike, i), "kv_heads_kept"),
                         kept_in(json_array_get(alike, 0), "kv_heads_kept"));
    assert_true(json_number_value(json_object_get(json_object_get(report, "latency"), "expected")) <= 0.7);
    json_decref(report);
    free(path);
    free(kept);
}

/* Times are no two runs' alike; what is told of them is sound. */
static void times_are_measured(void **state) {
    (void)state;
    json_t *report = report_of(EXPECT_SUCCESS(PRUNE, "--json", "--latency", "0.8", SEARCHED));
    const json_t *latency = json_object_get(report, "latency"), *table = json_object_get(latency, "table");
    static const char *const curves[] = {"attention", "ffn"};
    for (int i = 0; i < 2; i++) {
        const json_t *curve = json_object_get(table, curves[i]);
        size_t count = json_array_size(curve);
        assert_int_equal(count, 5);
        for (size_t k = 1; k < count; k++)
            for (size_t j = 0; j < 2; j++)
                assert_true(json_integer_value(json_array_get(json_array_get(curve, k), j)) >=
                            json_integer_value(json_array_get(json_array_get(curve, k - 1), j)));
    }
    assert_true(json_number_value(json_object_get(latency, "expected")) <= 0.8);
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_makes_no_sense, workplace_open, workplace_close),
        cmocka_unit_test_setup_teardown(what_takes_time_goes, workplace_open, workplace_close),
        cmocka_unit_test(times_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
