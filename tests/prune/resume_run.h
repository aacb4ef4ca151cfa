/* Runs with --resume, beside one that never stopped. */
#ifndef PARE_TESTS_RESUME_RUN_H
#define PARE_TESTS_RESUME_RUN_H

#include "prune/prune_run.h"

static const tiny_model resumed = {
    .layers = 3, .hidden = 16, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 12, .scale = 0.3};

typedef struct resume_scene {
    prune_run run;
    char *progress;
    char expected[PARE_DIGEST_TEXT]; /* of the output of a run that never stopped */
} resume_scene;

static inline resume_scene resume_open_with(const char *method, uint32_t iterations, const pare_setting *settings,
                                            size_t count) {
    resume_scene s = {.run = prune_run_open(resumed)};
    s.run.options.settings = settings;
    s.run.options.setting_count = count;
    s.progress = pare_path_join(s.run.folder, "output.progress");
    prune_run_method(&s.run, method);
    s.run.options.steps = 3;
    s.run.options.iterations = iterations;
    s.run.options.force = true;
    prune_run_do(&s.run);
    prune_run_digest(s.run.output, s.expected);
    tiny_remove(s.run.output);
    s.run.options.resume = true;
    return s;
}

static inline resume_scene resume_open(const char *method, uint32_t iterations) {
    return resume_open_with(method, iterations, NULL, 0);
}

static inline void resume_close(resume_scene *s) {
    free(s->progress);
    prune_run_close(&s->run);
}

static inline void resume_assert_same(const resume_scene *s) {
    char now[PARE_DIGEST_TEXT];
    prune_run_digest(s->run.output, now);
    assert_string_equal(now, s->expected);
    assert_false(pare_file_exists(s->progress));
}

static inline void resume_expect_refusal(resume_scene *s, pare_status wanted, const char *part) {
    assert_int_equal(prune_run_try(&s->run), wanted);
    assert_non_null(strstr(pare_message(), part));
    assert_non_null(strstr(pare_message(), s->progress));
    assert_non_null(strstr(pare_message(), "delete"));
    assert_false(pare_file_exists(s->run.output));
}

/* Reports of a run that ends by itself, or at stop_at. */
static inline uint64_t resume_reports(resume_scene *s, uint64_t stop_at, pare_status wanted) {
    prune_countdown c = {.stop_at = stop_at};
    s->run.runtime.progress = prune_count_down;
    s->run.runtime.progress_user = &c;
    pare_status status = prune_run_try(&s->run);
    if (status != wanted) fail_msg("%s", pare_message());
    pare_interrupt_clear();
    s->run.runtime.progress = NULL;
    return c.calls;
}

/* Stopped again and again, every time `stride` reports further into what is left, and taken up: the same bytes.
 * Returns how often there was such a file; what is kept once is not done again. */
static inline uint64_t resume_stop_again_and_again(resume_scene *s, const char *file, uint64_t stride) {
    char *path = pare_path_join(s->progress, file);
    uint64_t kept = 0, whole = resume_reports(s, 0, PARE_OK), stop = stride;
    resume_assert_same(s);
    tiny_remove(s->run.output);
    for (; stop < whole && !pare_file_exists(path); stop += stride)
        resume_reports(s, stop, PARE_INTERRUPTED);
    kept = pare_file_exists(path);
    if (kept) assert_true(resume_reports(s, 0, PARE_OK) < whole);
    tiny_remove(s->run.output);
    for (stop = stride; prune_run_until(&s->run, stop) == PARE_INTERRUPTED; stop += stride)
        kept += pare_file_exists(path);
    resume_assert_same(s);
    free(path);
    return kept;
}

#endif
