/* A walk over a model with experts that was stopped behind a layer goes on with what it pruned there, inside experts as
 * outside: the same bytes as of a run that never stopped. */
#include "family_place.h"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), json_object());
}

static pare_status prune(const place *p, const pare_prune_options *options, uint64_t stop_at) {
    prune_countdown c = {.stop_at = stop_at};
    const pare_runtime runtime = {
        .threads = 1, .compute = PARE_COMPUTE_FP32, .progress = prune_count_down, .progress_user = &c};
    char *report = NULL;
    pare_status status = pare_prune(p->m.model, options, &runtime, &report);
    pare_interrupt_clear();
    pare_text_free(report);
    return status;
}

/* Stopped where layer 0 is kept. */
static void assert_taken_up(const expected *e, const char *name, const char *method) {
    place p = place_open(e, name);
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    char whole[PARE_DIGEST_TEXT], resumed[PARE_DIGEST_TEXT];
    char *layer = pare_format("%s.progress/walk-prune.0", p.output);
    options.method = method;
    options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    options.output = p.output;
    options.calibration = calibration_on(&p);
    if (prune(&p, &options, 0) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    prune_run_digest(p.output, whole);
    tiny_remove(p.output);
    options.resume = true;
    for (uint64_t report = 1; !pare_file_exists(layer); report++)
        assert_int_equal(prune(&p, &options, report), PARE_INTERRUPTED);
    if (prune(&p, &options, 0) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    prune_run_digest(p.output, resumed);
    if (strcmp(whole, resumed) != 0) fail_msg("%s, %s: another model where it was stopped", name, method);
    free(layer);
    place_close(&p);
}

static void what_was_pruned_inside_experts_stays_pruned(void **state) {
    assert_taken_up(*state, "mixtral", "wanda");
    assert_taken_up(*state, "qwen2_moe", "sparsegpt");
    assert_taken_up(*state, "glm4_moe", "best-sparse");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_pruned_inside_experts_stays_pruned)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
