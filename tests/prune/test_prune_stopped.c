/* Runs that end early, at every point where they can be interrupted or when something fails: one sentence, nothing
 * left behind, nothing changed, nothing still held. */
#include "prune/prune_run.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 16, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 12, .scale = 0.3};

typedef struct scene {
    prune_run run;
    char *scratch;
    char before[PARE_DIGEST_TEXT];
    uint64_t memory;
} scene;

/* A run with every stage in it, its displacement in a scratch file. */
static scene open_scene(void) {
    scene s = {.run = prune_run_open(tiny)};
    static const char *texts[] = {"self"};
    s.scratch = pare_path_join(s.run.folder, "scratch");
    assert_int_equal(mkdir(s.scratch, 0755), 0);
    s.run.options.method = "moreau-gs";
    s.run.options.steps = 2;
    s.run.options.draws = 2;
    s.run.options.calibration = (pare_calibration_options){.samples = 2, .length = 5};
    s.run.options.texts = texts;
    s.run.options.text_count = 1;
    s.run.options.window = 4;
    s.run.options.max_windows = 2;
    s.run.options.scores = s.run.scores;
    s.run.runtime.scratch = s.scratch;
    prune_run_digest(s.run.model_folder, s.before);
    s.memory = pare_memory_current();
    return s;
}

static void assert_untouched(const scene *s) {
    char after[PARE_DIGEST_TEXT];
    prune_run_digest(s->run.model_folder, after);
    assert_string_equal(s->before, after);
    prune_run_assert_holds(s->scratch, "");
    assert_true(pare_memory_current() == s->memory);
}

static void close_scene(scene *s) {
    free(s->scratch);
    prune_run_close(&s->run);
}

static void interrupted_at_every_report(void **state) {
    (void)state;
    scene s = open_scene();
    prune_countdown c = {.stop_at = 1};
    uint64_t interrupts = 0;
    s.run.runtime.progress = prune_count_down;
    s.run.runtime.progress_user = &c;
    for (;; c = (prune_countdown){.stop_at = c.stop_at + 1}) {
        pare_status status = prune_run_try(&s.run);
        pare_interrupt_clear();
        assert_false(c.backwards);
        if (status == PARE_OK) break;
        assert_int_equal(status, PARE_INTERRUPTED);
        assert_true(c.calls == c.stop_at);
        assert_non_null(strstr(pare_message(), "interrupted"));
        assert_untouched(&s);
        prune_run_assert_holds(s.run.folder, "ids.json model scratch ");
        interrupts++;
    }
    assert_true(c.calls < c.stop_at); /* only because there was no further report */
    assert_true(interrupts > 50);
    assert_untouched(&s);
    prune_run_assert_holds(s.run.folder, "ids.json model output scores.json scratch ");
    close_scene(&s);
}

/* Someone else makes the target while the result is being checked. */
static void take_the_place(void *user, const char *stage, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    if (strcmp(stage, "checking what was written") == 0) mkdir(user, 0755);
}

static void a_target_that_appears_meanwhile(void **state) {
    (void)state;
    scene s = open_scene();
    s.run.runtime.progress = take_the_place;
    s.run.runtime.progress_user = s.run.output;
    assert_int_equal(prune_run_try(&s.run), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), s.run.output));
    assert_untouched(&s);
    prune_run_assert_holds(s.run.folder, "ids.json model output scratch ");
    prune_run_assert_holds(s.run.output, "");
    close_scene(&s);
}

static void interrupted_before_it_began(void **state) {
    (void)state;
    scene s = open_scene();
    pare_interrupt();
    assert_int_equal(prune_run_try(&s.run), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_untouched(&s);
    prune_run_assert_holds(s.run.folder, "ids.json model scratch ");
    close_scene(&s);
}

/* Every stage counts up to its total. */
static void note_ends(void *user, const char *stage, uint64_t done, uint64_t total) {
    json_t *open = user;
    if (done == total)
        json_object_del(open, stage);
    else
        json_object_set_new(open, stage, json_integer((json_int_t)done));
}

static void progress_reaches_its_total(void **state) {
    (void)state;
    for (size_t method = 0; pare_recipe_name(method); method++) {
        if (pare_recipe_find(pare_recipe_name(method))->mode == PARE_MODE_EXPERT) continue;
        prune_run r = prune_run_open(tiny);
        json_t *open = json_object();
        prune_run_method(&r, pare_recipe_name(method));
        r.options.layer_end = 1;
        r.runtime.progress = note_ends;
        r.runtime.progress_user = open;
        prune_run_do(&r);
        if (json_object_size(open)) fprintf(stderr, "%s: ", r.options.method);
        if (json_object_size(open)) json_dumpf(open, stderr, 0);
        assert_int_equal(json_object_size(open), 0);
        json_decref(open);
        prune_run_close(&r);
    }
}

static void divergence_leaves_nothing(void **state) {
    (void)state;
    scene s = open_scene();
    s.run.options.rho = s.run.options.gamma = 1e12;
    s.run.options.steps = 5;
    assert_int_equal(prune_run_try(&s.run), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "--gamma"));
    assert_untouched(&s);
    prune_run_assert_holds(s.run.folder, "ids.json model scratch ");
    close_scene(&s);
}

/* A weight that is no number, in a matrix that is scored and in one that is not. */
static void no_numbers_in_the_weights(void **state) {
    (void)state;
    static const float no_number = NAN;
    for (int from_end = 0; from_end < 2; from_end++) {
        scene s = open_scene();
        char *path = pare_path_join(s.run.model_folder, "model.safetensors");
        FILE *file = fopen(path, "r+b");
        assert_int_equal(fseek(file, from_end ? -4 : -8000, SEEK_END), 0);
        assert_int_equal(fwrite(&no_number, sizeof no_number, 1, file), 1);
        fclose(file);
        free(path);
        prune_run_digest(s.run.model_folder, s.before);
        assert_int_equal(prune_run_try(&s.run), PARE_NUMERIC_ERROR);
        assert_untouched(&s);
        prune_run_assert_holds(s.run.folder, "ids.json model scratch ");
        close_scene(&s);
    }
}

static void a_scratch_folder_that_is_missing(void **state) {
    (void)state;
    scene s = open_scene();
    char *missing = pare_path_join(s.run.folder, "missing");
    s.run.options.text_count = 0;
    s.run.options.displace = PARE_DISPLACE_ALL;
    s.run.runtime.scratch = missing;
    bool refused = false;
    for (uint64_t limit = 8 << 20; !refused; limit -= limit / 64) {
        s.run.options.force = true;
        s.run.runtime.memory_limit = limit;
        pare_status status = prune_run_try(&s.run);
        if (status == PARE_OUT_OF_MEMORY) break;
        refused = status == PARE_FILE_ERROR;
        if (!refused) assert_int_equal(status, PARE_OK);
    }
    assert_true(refused);
    assert_non_null(strstr(pare_message(), "--scratch"));
    free(missing);
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_that_appears_meanwhile),  cmocka_unit_test(interrupted_at_every_report),
        cmocka_unit_test(interrupted_before_it_began),      cmocka_unit_test(progress_reaches_its_total),
        cmocka_unit_test(divergence_leaves_nothing),        cmocka_unit_test(no_numbers_in_the_weights),
        cmocka_unit_test(a_scratch_folder_that_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
