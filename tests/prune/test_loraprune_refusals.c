/* What LoRAPrune refuses before any work, each in one sentence; and runs of it that stop in the middle. */
#include "prune/lora_run.h"

static void refused(lora_run *r, const char *part) {
    assert_int_equal(prune_run_try(&r->run), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), part)) fprintf(stderr, "%s\nlacks %s\n", pare_message(), part);
    assert_non_null(strstr(pare_message(), part));
    assert_false(pare_file_exists(r->run.output));
}

static void targets_and_data_that_make_no_sense(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    const pare_prune_options usual = r->run.options;
    r->run.options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    r->run.options.ratio = 0.0;
    refused(r, "leave out --sparsity");
    r->run.options = usual;
    r->run.options.ratio = 0.0;
    refused(r, "--ratio 0");
    r->run.options.ratio = 0.99;
    refused(r, "without a single key/value head");
    r->run.options = usual;
    r->run.options.calibration.source = NULL;
    refused(r, "give a file");
    r->run.options.calibration.source = "self";
    refused(r, "give a file");
    r->run.options.calibration = (pare_calibration_options){.source = r->run.ids, .length = 8};
    refused(r, "--cutoff");
    r->run.options = usual;
    r->run.options.protocol = "paper";
    refused(r, "--protocol");
    r->run.options = usual;
    r->run.options.iterations = 2;
    refused(r, "--iterations");
    lora_run_close(r);
}

static void choices_that_contradict_it(void **state) {
    (void)state;
    static const char *const all[][3] = {{"mode", "layer", "leave out --sparsity"},
                                         {"select", "global", "--select local"},
                                         {"gqa", "query", "--gqa kv"},
                                         {"salience", "param_first", "leave out the salience"},
                                         {"choose", "obs", "--choose"},
                                         {"compensate", "ls", "--compensate"},
                                         {"init_ratio", "0.5", "--init-ratio 0.5"},
                                         {"warmup_share", "0.9", "--cooldown-share"},
                                         {"lora_score", "grad", "lora or magnitude"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        lora_run *r = lora_run_open(lora_run_tiny);
        lora_run_set(r, all[i][0], all[i][1]);
        refused(r, all[i][2]);
        lora_run_close(r);
    }
}

static void a_model_of_one_layer_needs_layers(void **state) {
    (void)state;
    tiny_model tiny = lora_run_tiny;
    tiny.layers = 1;
    lora_run *r = lora_run_open(tiny);
    refused(r, "--layers");
    r->run.options.layer_end = 1;
    prune_run_do(&r->run);
    lora_run_close(r);
}

static void ids_beyond_the_vocabulary(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    tiny_write_text(r->run.folder, "ids.json", "[[1, 2, 3], [4, 5, 24]]");
    assert_int_equal(prune_run_try(&r->run), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "24"));
    lora_run_close(r);
}

static void interrupted_runs_leave_nothing(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    uint64_t before = pare_memory_current(), interrupts = 0;
    for (uint64_t report = 1; prune_run_until(&r->run, report) == PARE_INTERRUPTED; report += 11) {
        assert_true(pare_memory_current() == before);
        prune_run_assert_holds(r->run.folder, "ids.json model ");
        interrupts++;
    }
    assert_true(interrupts > 3);
    lora_run_close(r);
}

static void resumed_runs_give_the_same_bytes(void **state) {
    (void)state;
    char expected[PARE_DIGEST_TEXT], now[PARE_DIGEST_TEXT];
    lora_run *r = lora_run_open(lora_run_tiny);
    char *progress = pare_path_join(r->run.folder, "output.progress");
    uint64_t kept = 0;
    prune_run_do(&r->run);
    prune_run_digest(r->run.output, expected);
    tiny_remove(r->run.output);
    r->run.options.resume = true;
    for (uint64_t report = 5; prune_run_until(&r->run, report) == PARE_INTERRUPTED; report += 17) {
        kept += pare_file_exists(progress);
        prune_run_do(&r->run);
        prune_run_digest(r->run.output, now);
        assert_string_equal(now, expected);
        assert_false(pare_file_exists(progress));
        tiny_remove(r->run.output);
    }
    assert_true(kept > 1);
    free(progress);
    lora_run_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_and_data_that_make_no_sense), cmocka_unit_test(choices_that_contradict_it),
        cmocka_unit_test(a_model_of_one_layer_needs_layers),   cmocka_unit_test(ids_beyond_the_vocabulary),
        cmocka_unit_test(interrupted_runs_leave_nothing),      cmocka_unit_test(resumed_runs_give_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
