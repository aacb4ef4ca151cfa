/* The plan comes before the weights are read: it is shown, or refuses, of a model whose weights are damaged. */
#include "prune/prune_run.h"

enum { LAYERS = 2 };

typedef struct seen {
    int plans, read_before; /* pieces of weights that were read before the plan */
    bool read, wrote;       /* weights; text of the model's own */
} seen;

static void note_plan(void *user, const pare_plan *plan) {
    seen *s = user;
    s->plans++;
    assert_true(plan->mapped > 0 && plan->stage_count > 0);
    s->read_before = s->read;
}

static void note_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
    seen *s = user;
    (void)done, (void)total;
    s->read |= strcmp(stage, "checking weights") == 0;
    s->wrote |= strstr(stage, "text") != NULL;
}

/* The last of the file's numbers becomes NaN. */
static void damage(const prune_run *r) {
    static const float nan = NAN;
    const char *file = pare_checkpoint_file(r->model->checkpoint, 0);
    FILE *out = fopen(file, "r+b");
    assert_non_null(out);
    assert_int_equal(fseek(out, -(long)sizeof nan, SEEK_END), 0);
    assert_int_equal(fwrite(&nan, sizeof nan, 1, out), 1);
    assert_int_equal(fclose(out), 0);
}

static prune_run damaged(const char *method, seen *s) {
    prune_run r = prune_run_open((tiny_model){.layers = LAYERS, .scale = 0.3});
    prune_run_method(&r, method);
    damage(&r);
    r.runtime.plan = note_plan;
    r.runtime.progress = note_progress;
    r.runtime.progress_user = s;
    return r;
}

static void expect_plan_then_refusal(const char *method, const char *calibration) {
    seen s = {0};
    prune_run r = damaged(method, &s);
    if (calibration)
        r.options.calibration = (pare_calibration_options){.source = calibration, .samples = 2, .length = 8};
    assert_int_equal(prune_run_try(&r), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "NaN"));
    assert_int_equal(s.plans, 1);
    assert_true(s.read && !s.read_before && !s.wrote);
    assert_false(pare_file_exists(r.output));
    prune_run_close(&r);
}

static void the_plan_is_shown_before_weights_are_read(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "magnitude-l2", "best", "sparsegpt", "wanda"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        expect_plan_then_refusal(methods[i], NULL);
}

/* Nothing is written by a model whose weights are not known to be sound. */
static void text_is_written_behind_both(void **state) {
    (void)state;
    expect_plan_then_refusal("taylor", "self");
    expect_plan_then_refusal("best", "self");
}

static void want_of_memory_comes_first(void **state) {
    (void)state;
    static const char *const methods[] = {"taylor", "best", "sparsegpt"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        seen s = {0};
        prune_run r = damaged(methods[i], &s);
        r.runtime.memory_limit = 1 << 10;
        assert_int_equal(prune_run_try(&r), PARE_OUT_OF_MEMORY);
        assert_non_null(strstr(pare_message(), "--memory"));
        assert_true(!s.plans && !s.read);
        assert_false(pare_file_exists(r.output));
        prune_run_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_is_shown_before_weights_are_read),
        cmocka_unit_test(text_is_written_behind_both),
        cmocka_unit_test(want_of_memory_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
