/* Runs with --resume that end in the middle, by an interrupt at every report or by a kill: what goes on from there
 * gives the bytes of a run that never stopped, and nothing else is taken for its progress. */
#include "forge.h"
#include "prune/resume_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static void resume_after_every_report(const char *method, uint32_t iterations, uint64_t stride) {
    resume_scene s = resume_open(method, iterations);
    uint64_t kept = 0;
    for (uint64_t report = 1; prune_run_until(&s.run, report) == PARE_INTERRUPTED; report += stride) {
        assert_false(pare_file_exists(s.run.output));
        kept += pare_file_exists(s.progress);
        prune_run_do(&s.run);
        resume_assert_same(&s);
        tiny_remove(s.run.output);
    }
    assert_true(kept > 3);
    resume_assert_same(&s);
    resume_close(&s);
}

static void steps_of_an_iteration(void **state) {
    (void)state;
    resume_after_every_report("moreau-gs", 1, 3);
}

static void the_mean_of_the_last_steps(void **state) {
    (void)state;
    resume_after_every_report("moreau-gs-released", 1, 13);
}

static void rounds(void **state) {
    (void)state;
    resume_after_every_report("moreau", 3, 29);
}

static void rounds_without_steps(void **state) {
    (void)state;
    resume_after_every_report("taylor", 3, 7);
}

/* Stopped again and again, ever one report further. */
static void many_stops(void **state) {
    (void)state;
    resume_scene s = resume_open("moreau-gs", 2);
    uint64_t stops = 0;
    for (uint64_t report = 12;; report += 9) {
        pare_status status = prune_run_until(&s.run, report);
        if (status == PARE_OK) break;
        assert_int_equal(status, PARE_INTERRUPTED);
        stops++;
    }
    assert_true(stops > 3);
    resume_assert_same(&s);
    resume_close(&s);
}

static void killed(void **state) {
    (void)state;
    resume_scene s = resume_open("moreau-gs", 2);
    uint64_t kills = 0;
    for (uint64_t report = 9;; report += 41) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            prune_countdown c = {.stop_at = report, .die = true};
            s.run.runtime.progress = prune_count_down;
            s.run.runtime.progress_user = &c;
            _exit(prune_run_try(&s.run) == PARE_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) break;
        assert_true(pare_file_exists(s.progress));
        kills++;
        prune_run_do(&s.run);
        resume_assert_same(&s);
        tiny_remove(s.run.output);
    }
    assert_true(kills > 2);
    resume_close(&s);
}

/* Leaves the progress of two rounds and some steps. */
static resume_scene stopped_scene(void) {
    resume_scene s = resume_open("moreau-gs", 3);
    char *state = pare_path_join(s.progress, "moreau.state"), *round = pare_path_join(s.progress, "round-2");
    bool far = false;
    for (uint64_t report = 60; !far; report++) {
        assert_int_equal(prune_run_until(&s.run, report), PARE_INTERRUPTED);
        far = pare_file_exists(state) && pare_file_exists(round);
    }
    free(state);
    free(round);
    return s;
}

static void another_run(void **state) {
    (void)state;
    resume_scene s = stopped_scene();
    s.run.options.ratio = 0.25;
    resume_expect_refusal(&s, PARE_BAD_ARGUMENT, "other options");
    s.run.options.ratio = 0.5;
    s.run.options.seed = 1;
    resume_expect_refusal(&s, PARE_BAD_ARGUMENT, "other options");
    s.run.options.seed = 0;
    s.run.options.calibration.samples = 2;
    resume_expect_refusal(&s, PARE_BAD_ARGUMENT, "calibration data");
    s.run.options.calibration.samples = 0;
    s.run.options.resume = false; /* and without --resume it is left alone */
    prune_run_do(&s.run);
    tiny_remove(s.run.output);
    s.run.options.resume = true;
    prune_run_do(&s.run);
    resume_assert_same(&s);
    resume_close(&s);
}

/* One that is still at work: its progress is left to it. */
static void two_at_once(void **state) {
    (void)state;
    resume_scene s = stopped_scene();
    int folder = open(s.progress, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) == 0);
    char *before = prune_run_list(s.progress);
    assert_int_equal(prune_run_try(&s.run), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "another run is keeping its progress"));
    assert_false(pare_file_exists(s.run.output));
    prune_run_assert_holds(s.progress, before);
    close(folder);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    free(before);
    resume_close(&s);
}

static void truncate_in(const resume_scene *s, const char *name, off_t bytes) {
    char *path = pare_path_join(s->progress, name);
    assert_int_equal(truncate(path, bytes), 0);
    free(path);
}

static void damaged(void **state) {
    (void)state;
    static const char *const names[] = {"moreau.state", "progress.json", "round-2/config.json",
                                        "round-2/model.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        resume_scene s = stopped_scene();
        truncate_in(&s, names[i], 200);
        resume_expect_refusal(&s, PARE_FORMAT_ERROR, "");
        tiny_remove(s.progress);
        prune_run_do(&s.run);
        resume_assert_same(&s);
        resume_close(&s);
    }
}

static json_t *list_of(const char *text) {
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

/* Lists of units that the model has not, in disorder, or not those that the finished round left. */
static void damaged_units(void **state) {
    (void)state;
    static const char *const keys[] = {"kv_heads_kept", "query_heads_kept", "ffn_channels_kept"};
    static const char *const lists[] = {"[]", "[0]", "[-1]", "[100000]", "[1, 0]", "[0, 0]", "[0.5]", "{}", "null"};
    resume_scene s = stopped_scene();
    char *path = pare_path_join(s.progress, "progress.json");
    json_t *whole = json_load_file(path, 0, NULL);
    assert_true(json_array_size(json_object_get(whole, "layers")) > 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < sizeof lists / sizeof *lists; j++) {
            json_t *json = json_deep_copy(whole), *layer = json_array_get(json_object_get(json, "layers"), 0);
            assert_int_equal(json_object_set_new(layer, keys[i], list_of(lists[j])), 0);
            if (json_equal(json, whole)) fail_msg("%s is %s as it is", keys[i], lists[j]);
            forge_progress(json, path);
            resume_expect_refusal(&s, PARE_FORMAT_ERROR, "is damaged; delete that folder to begin anew");
            json_decref(json);
        }
    assert_int_equal(json_dump_file(whole, path, 0), 0);
    prune_run_do(&s.run);
    resume_assert_same(&s);
    json_decref(whole);
    free(path);
    resume_close(&s);
}

static void nothing_is_kept_unasked(void **state) {
    (void)state;
    resume_scene s = resume_open("moreau-gs", 2);
    s.run.options.resume = false;
    for (uint64_t report = 5; prune_run_until(&s.run, report) == PARE_INTERRUPTED; report += 37)
        prune_run_assert_holds(s.run.folder, "ids.json model ");
    s.run.options.resume = true;
    s.run.options.dry_run = true;
    s.run.options.output = NULL;
    assert_int_equal(prune_run_try(&s.run), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "-o OUT"));
    resume_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed),
        cmocka_unit_test(steps_of_an_iteration),
        cmocka_unit_test(the_mean_of_the_last_steps),
        cmocka_unit_test(rounds),
        cmocka_unit_test(rounds_without_steps),
        cmocka_unit_test(many_stops),
        cmocka_unit_test(another_run),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(damaged),
        cmocka_unit_test(damaged_units),
        cmocka_unit_test(nothing_is_kept_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
