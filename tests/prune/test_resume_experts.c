/* A walk over a model with experts that was stopped behind a layer goes on with what it pruned there, inside experts as
 * outside: the same bytes as of a run that never stopped. */
#include "family_place.h"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), json_object());
}

/* experts: what the report says of them, or NULL. */
static pare_status prune(const place *p, const pare_prune_options *options, uint64_t stop_at, char **experts) {
    prune_countdown c = {.stop_at = stop_at};
    const pare_runtime runtime = {
        .threads = 1, .compute = PARE_COMPUTE_FP32, .progress = prune_count_down, .progress_user = &c};
    char *report = NULL;
    pare_status status = pare_prune(p->m.model, options, &runtime, &report);
    pare_interrupt_clear();
    json_t *said = report ? json_loads(report, 0, NULL) : NULL;
    if (experts) *experts = json_dumps(json_object_get(said, "experts"), JSON_ENCODE_ANY);
    json_decref(said);
    pare_text_free(report);
    return status;
}

/* Stopped where there is `file` in OUT.progress. */
static void assert_taken_up(const expected *e, const char *name, const char *file, pare_prune_options options) {
    place p = place_open(e, name);
    char whole[PARE_DIGEST_TEXT], resumed[PARE_DIGEST_TEXT], *path = pare_format("%s.progress/%s", p.output, file),
                                                             *before, *after;
    options.output = p.output;
    options.calibration = calibration_on(&p);
    if (prune(&p, &options, 0, &before) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    prune_run_digest(p.output, whole);
    tiny_remove(p.output);
    options.resume = true;
    for (uint64_t report = 1; !pare_file_exists(path); report++)
        assert_int_equal(prune(&p, &options, report, NULL), PARE_INTERRUPTED);
    if (prune(&p, &options, 0, &after) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    prune_run_digest(p.output, resumed);
    if (strcmp(whole, resumed) != 0) fail_msg("%s, %s: other bytes where it was stopped", name, options.method);
    assert_int_equal(before != NULL, options.iterations > 1);
    assert_int_equal(after != NULL, before != NULL);
    if (before) assert_string_equal(after, before);
    free(before);
    free(after);
    free(path);
    place_close(&p);
}

static void what_was_pruned_inside_experts_stays_pruned(void **state) {
    static const char *const cases[][2] = {
        {"mixtral", "wanda"}, {"qwen2_moe", "sparsegpt"}, {"glm4_moe", "best-sparse"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        options.method = cases[i][1];
        options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
        assert_taken_up(*state, cases[i][0], "walk-prune.0", options);
    }
}

/* Rounds of whole experts, with what the first of them has seen; and the iteration of one. */
static void rounds_of_experts(void **state) {
    static const pare_setting mode[] = {{"mode", "expert"}};
    static const char *const methods[] = {"reap", "expert-frequency", "expert-moreau", "expert-moreau-gs"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        options.method = methods[i];
        options.ratio = 0.5;
        options.iterations = 2;
        options.settings = mode;
        options.setting_count = 1;
        assert_taken_up(*state, "mixtral", i == 3 ? "moreau.state" : "round-1", options);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pruned_inside_experts_stays_pruned),
        cmocka_unit_test(rounds_of_experts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
