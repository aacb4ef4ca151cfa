/* What a plan says that a run will take: every stage that takes time is there under the name that the report's seconds
 * have, more work takes longer, and whoever sees no plan has no estimate. */
#include "prune/lora_run.h"

enum { MOST = 16 };

typedef struct seen {
    size_t count, calls;
    char name[MOST][32];
    double seconds[MOST];
} seen;

static void note_plan(void *user, const pare_plan *plan) {
    seen *s = user;
    s->calls++;
    s->count = plan->stage_count;
    assert_true(s->count <= MOST);
    for (size_t i = 0; i < s->count; i++) {
        snprintf(s->name[i], sizeof s->name[i], "%s", plan->stages[i].name);
        s->seconds[i] = plan->stages[i].seconds;
    }
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static double seconds_of(const seen *s, const char *stage) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->name[i], stage) == 0) return s->seconds[i];
    return -1.0;
}

static json_t *report_of(prune_run *r, seen *s) {
    char *text;
    *s = (seen){0};
    r->options.force = true;
    r->runtime.plan = note_plan;
    r->runtime.progress_user = s;
    assert_int_equal(pare_prune(r->model, &r->options, &r->runtime, &text), PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    return report;
}

/* Over before there is a plan, or a moment for every model: no pass, no solver, nothing written. An evaluation is there
 * without texts, too; where there are some, it is asked for by name. */
static bool takes_no_time(const char *stage) {
    static const char *const brief[] = {"preparing", "reading and checking", "calibration data", "scoring", "selecting",
                                        "merging",   "reading examples",     "evaluation"};
    for (size_t i = 0; i < sizeof brief / sizeof *brief; i++)
        if (strcmp(stage, brief[i]) == 0) return true;
    return false;
}

/* Of the report, which has what was seen. */
static void expect_report(const json_t *report, const seen *s) {
    const json_t *plan = json_object_get(json_object_get(report, "memory"), "plan");
    json_t *expected = json_object_get(plan, "seconds"), *measured = json_object_get(report, "seconds"), *value;
    const char *stage;
    assert_true(s->count > 0);
    assert_int_equal(json_object_size(expected), s->count);
    json_object_foreach(expected, stage, value) {
        assert_true(json_real_value(value) > 0.0 && near(json_real_value(value), seconds_of(s, stage)));
        assert_non_null(json_object_get(measured, stage));
    }
    json_object_foreach(measured, stage, value) if (!json_object_get(expected, stage) && !takes_no_time(stage))
        fail_msg("nothing is expected of the stage %s", stage);
}

static const tiny_model tiny = {.layers = 2, .scale = 0.3};

static void expect_stages(const char *method, const char *const stages[]) {
    seen s;
    prune_run r = prune_run_open(tiny);
    prune_run_method(&r, method);
    r.options.calibration = (pare_calibration_options){.source = "self", .samples = 4, .length = 16};
    const char *texts[] = {"self"};
    r.options.texts = texts;
    r.options.text_count = 1;
    r.options.window = 8;
    r.options.max_windows = 3;
    json_t *report = report_of(&r, &s);
    expect_report(report, &s);
    for (size_t i = 0; stages[i]; i++)
        if (!(seconds_of(&s, stages[i]) > 0.0)) fail_msg("%s: nothing is expected of %s", method, stages[i]);
    assert_true(seconds_of(&s, "calibration data") > 0.0 && seconds_of(&s, "evaluation") > 0.0);
    assert_true(seconds_of(&s, "writing") > 0.0 && seconds_of(&s, "checking the result") > 0.0);
    json_decref(report);
    prune_run_close(&r);
}
#define STAGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void every_stage_that_takes_time(void **state) {
    (void)state;
    expect_stages("taylor", STAGES("scoring"));
    expect_stages("wanda-structured", STAGES("scoring"));
    expect_stages("moreau-gs", STAGES("scoring"));
    expect_stages("layer-removal", STAGES("scoring"));
    expect_stages("obs", STAGES("repairing"));
    expect_stages("best", STAGES("feeling outputs", "repairing"));
    expect_stages("best-sparse", STAGES("feeling outputs", "pruning"));
    expect_stages("gblm", STAGES("gradients", "pruning"));
    expect_stages("sparsegpt", STAGES("pruning"));
    expect_stages("gates", STAGES("learning gates"));
    expect_stages("flap", STAGES("scoring"));
}

static void set(prune_run *r, const pare_setting *setting) {
    r->options.settings = setting;
    r->options.setting_count = setting ? 1 : 0;
}

static void searches_and_reconstructions_have_their_own(void **state) {
    (void)state;
    static const pare_setting search = {"allocate", "search"}, train = {"reconstruct", "2"};
    static const char *const methods[] = {"best", "wanda"};
    for (size_t i = 0; i < 2; i++) {
        seen s;
        prune_run r = prune_run_open(tiny);
        prune_run_method(&r, methods[i]);
        set(&r, &search);
        json_t *report = report_of(&r, &s);
        expect_report(report, &s);
        assert_true(seconds_of(&s, "searching") > 0.0);
        json_decref(report);
        set(&r, &train);
        report = report_of(&r, &s);
        expect_report(report, &s);
        assert_true(seconds_of(&s, "reconstructing") > 0.0 && seconds_of(&s, "searching") < 0.0);
        json_decref(report);
        prune_run_close(&r);
    }
}

/* Assumed rates are the same for both. */
static void more_samples_take_longer(void **state) {
    (void)state;
    static const struct {
        const char *method, *stage;
    } rows[] = {{"taylor", "scoring"}, {"best", "feeling outputs"}, {"best", "repairing"}, {"sparsegpt", "pruning"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seen few, many;
        prune_run r = prune_run_open(tiny);
        prune_run_method(&r, rows[i].method);
        r.options.calibration = (pare_calibration_options){.source = "self", .samples = 16, .length = 16};
        json_decref(report_of(&r, &few));
        r.options.calibration.samples = 32;
        json_decref(report_of(&r, &many));
        assert_true(seconds_of(&many, rows[i].stage) > seconds_of(&few, rows[i].stage));
        /* Text is all tokens. */
        assert_true(near(seconds_of(&many, "calibration data"), 2.0 * seconds_of(&few, "calibration data")));
        prune_run_close(&r);
    }
}

/* Rounds add up, and later plans, which nobody sees, say the same. */
static void rounds_are_all_in_it(void **state) {
    (void)state;
    seen one, three;
    prune_run r = prune_run_open(tiny);
    json_decref(report_of(&r, &one));
    r.options.iterations = 3;
    json_t *report = report_of(&r, &three);
    expect_report(report, &three);
    assert_int_equal(three.calls, 1);
    assert_true(near(seconds_of(&three, "scoring"), 3.0 * seconds_of(&one, "scoring")));
    json_decref(report);
    prune_run_close(&r);
}

static void training_has_its_own(void **state) {
    (void)state;
    seen few, many;
    lora_run *l = lora_run_open(lora_run_tiny);
    json_t *report = report_of(&l->run, &few);
    expect_report(report, &few);
    assert_true(seconds_of(&few, "training and pruning") > 0.0);
    json_decref(report);
    lora_run_set(l, "train_epochs", "14");
    json_decref(report_of(&l->run, &many));
    assert_true(near(seconds_of(&many, "training and pruning"), 2.0 * seconds_of(&few, "training and pruning")));
    lora_run_close(l);
}

/* Of a recovery, behind a pruning or by itself. */
static void a_recovery_says_so_too(void **state) {
    (void)state;
    seen s = {0};
    char *text;
    prune_run r = prune_run_open(tiny);
    prune_run_write_ids(r.folder, 13, 12, r.model->config.vocabulary);
    const char *texts[] = {r.ids};
    pare_recover_options o = PARE_RECOVER_OPTIONS_INIT;
    o.data = r.ids;
    o.output = r.output;
    o.steps = 2;
    o.batch = 4;
    o.texts = texts;
    o.text_count = 1;
    o.window = 8;
    r.runtime.plan = note_plan;
    r.runtime.progress_user = &s;
    if (pare_recover(r.model, &o, &r.runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    json_t *report = json_loads(text, 0, NULL);
    expect_report(report, &s);
    assert_true(seconds_of(&s, "training") > 0.0 && seconds_of(&s, "evaluation") > 0.0);
    json_decref(report);
    pare_text_free(text);
    prune_run_close(&r);
}

static void nobody_sees_it(void **state) {
    (void)state;
    char *text;
    prune_run r = prune_run_open(tiny);
    assert_int_equal(pare_prune(r.model, &r.options, &r.runtime, &text), PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    const json_t *plan = json_object_get(json_object_get(report, "memory"), "plan");
    assert_non_null(plan);
    assert_null(json_object_get(plan, "seconds"));
    json_decref(report);
    pare_text_free(text);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_that_takes_time),
        cmocka_unit_test(searches_and_reconstructions_have_their_own),
        cmocka_unit_test(more_samples_take_longer),
        cmocka_unit_test(rounds_are_all_in_it),
        cmocka_unit_test(training_has_its_own),
        cmocka_unit_test(a_recovery_says_so_too),
        cmocka_unit_test(nobody_sees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
