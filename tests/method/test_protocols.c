/* Calibration protocols by name: how many sequences of what length, what overrides them, and new ones for every step.
 */
#include "method/protocol.h"
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 16, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 12, .positions = 128, .scale = 0.3};

static void expect(prune_run *r, json_int_t sequences, json_int_t length) {
    json_t *report = prune_run_report(r), *calibration = json_object_get(report, "calibration");
    assert_int_equal(json_integer_value(json_object_get(calibration, "sequences")), sequences);
    assert_int_equal(json_integer_value(json_object_get(calibration, "length")), length);
    json_decref(report);
}

static void samples_and_lengths(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.dry_run = true;
    r.options.calibration = (pare_calibration_options){.source = "self"};
    r.options.protocol = "llm-pruner";
    expect(&r, 10, 64);
    r.options.protocol = "paper";
    expect(&r, 10, 128);
    r.options.calibration.samples = 3;
    expect(&r, 3, 128);
    r.options.calibration.length = 16;
    expect(&r, 3, 16);
    r.options.protocol = "llm-pruner";
    r.options.calibration.samples = 0;
    expect(&r, 10, 16);
    r.options.method = "random"; /* needs no text */
    json_t *report = prune_run_report(&r);
    assert_true(json_is_null(json_object_get(report, "calibration")));
    json_decref(report);
    prune_run_close(&r);
}

static void what_does_not_fit(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    r.options.protocol = "moreau-head"; /* 2048 tokens */
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "2048"));
    r.options.protocol = "papers";
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    for (size_t i = 0; pare_protocol_name(i); i++) {
        assert_non_null(strstr(pare_message(), pare_protocol_name(i)));
        assert_non_null(pare_protocol_find(pare_protocol_name(i)));
    }
    prune_run_close(&r);
}

/* 2 sequences for each of 3 steps; a gradient has one step. */
static void a_batch_for_every_step(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    json_t *report;
    double losses[2][3];
    r.options.dry_run = true;
    r.options.calibration = (pare_calibration_options){.source = "self", .samples = 2, .length = 12};
    r.options.protocol = "moreau-head";
    expect(&r, 2, 12);
    r.options.method = "moreau";
    r.options.steps = 3;
    r.options.sigma = 0.0;
    r.options.gamma = 1e-12; /* stays where it is: only the text changes the loss */
    expect(&r, 6, 12);
    for (int redrawn = 0; redrawn < 2; redrawn++) {
        r.options.protocol = redrawn ? "moreau-head" : NULL;
        report = prune_run_report(&r);
        for (size_t i = 0; i < 3; i++)
            losses[redrawn][i] =
                json_number_value(json_object_get(json_array_get(json_object_get(report, "trace"), i), "loss"));
        json_decref(report);
    }
    assert_true(fabs(losses[0][0] - losses[0][1]) < 1e-6 && fabs(losses[0][0] - losses[0][2]) < 1e-6);
    assert_true(fabs(losses[1][0] - losses[1][1]) > 1e-4 && fabs(losses[1][1] - losses[1][2]) > 1e-4);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_and_lengths),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(a_batch_for_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
