/* Results of a run that failed, half of them in place; stages that go on after one failed or the run was interrupted.
 */
#include "prune/prune_run.h"
#include "run/run.h"

typedef struct scene {
    char *folder, *model, *output, *one, *two;
} scene;

static int set_up(void **state) {
    static scene s;
    s = (scene){.folder = tiny_folder()};
    s.model = pare_path_join(s.folder, "model");
    s.output = pare_path_join(s.folder, "out");
    s.one = pare_path_join(s.folder, "one.json");
    s.two = pare_path_join(s.folder, "two.csv");
    assert_int_equal(mkdir(s.model, 0755), 0);
    tiny_write_text(s.model, "config.json", "{}");
    tiny_write_text(s.folder, "one.json", "old");
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    tiny_remove(s->folder);
    free(s->folder);
    free(s->model);
    free(s->output);
    free(s->one);
    free(s->two);
    return 0;
}

static pare_run begin(const scene *s) {
    pare_run run;
    pare_run_begin(&run);
    assert_int_equal(pare_run_open(&run, s->output, s->model, false, 0), PARE_OK);
    assert_int_equal(pare_output_write_text(run.output, "config.json", "{}"), PARE_OK);
    assert_int_equal(pare_run_write(&run, json_pack("[]"), s->one), PARE_OK);
    assert_int_equal(pare_run_write_text(&run, "a,b\n", s->two), PARE_OK);
    return run;
}

/* With a report, which is there only if all is in place. */
static pare_status commit(pare_run *run) {
    char *report;
    assert_int_equal(pare_json_text(json_pack("{}"), &report), PARE_OK);
    pare_status status = pare_run_commit(run, PARE_OK, &report);
    assert_int_equal(report != NULL, status == PARE_OK);
    pare_text_free(report);
    return status;
}

static void all_or_nothing(void **state) {
    const scene *s = *state;
    pare_run run = begin(s);
    assert_int_equal(mkdir(s->two, 0755), 0); /* something came in between */
    assert_int_equal(commit(&run), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), s->two));
    pare_run_end(&run);
    prune_run_assert_holds(s->folder, "model one.json two.csv ");
    prune_run_assert_content(s->one, "old");
    assert_int_equal(rmdir(s->two), 0);
    run = begin(s);
    assert_int_equal(mkdir(s->output, 0755), 0); /* the model is last */
    tiny_write_text(s->output, "full", "");
    assert_int_equal(commit(&run), PARE_FILE_ERROR);
    pare_run_end(&run);
    prune_run_assert_holds(s->folder, "model one.json out ");
    prune_run_assert_content(s->one, "old");
    tiny_remove(s->output);
    run = begin(s);
    assert_int_equal(commit(&run), PARE_OK);
    pare_run_end(&run);
    prune_run_assert_holds(s->folder, "model one.json out two.csv ");
    prune_run_assert_content(s->one, "[]\n");
}

/* A stage or the report has failed. */
static void what_failed_before(void **state) {
    const scene *s = *state;
    char *report = NULL;
    pare_run run = begin(s);
    assert_int_equal(pare_run_commit(&run, PARE_OUT_OF_MEMORY, &report), PARE_OUT_OF_MEMORY);
    pare_run_end(&run);
    prune_run_assert_holds(s->folder, "model one.json ");
    prune_run_assert_content(s->one, "old");
}

/* Files that another run puts into place. */
static void files_that_are_passed_on(void **state) {
    const scene *s = *state;
    pare_run first, second;
    pare_run_begin(&first);
    pare_run_begin(&second);
    assert_int_equal(pare_run_write_text(&first, "new", s->one), PARE_OK);
    assert_int_equal(pare_run_write_text(&first, "new", s->two), PARE_OK);
    assert_int_equal(pare_run_adopt(&second, &first), PARE_OK);
    assert_int_equal(commit(&first), PARE_OK);
    pare_run_end(&first);
    prune_run_assert_content(s->one, "old");
    assert_int_equal(commit(&second), PARE_OK);
    pare_run_end(&second);
    prune_run_assert_content(s->one, "new");
    prune_run_assert_content(s->two, "new");
    prune_run_assert_holds(s->folder, "model one.json two.csv ");
}

static pare_status count(void *job) {
    ++*(int *)job;
    return PARE_OK;
}

static pare_status stop(void *job) {
    (void)job;
    pare_interrupt();
    return PARE_OK;
}

static void stages(void **state) {
    static const pare_job_stage all[] = {{"a", count}, {"b", count}, {"a", count}, {NULL, stop}, {"c", count}};
    (void)state;
    int done = 0;
    pare_run run;
    pare_run_begin(&run);
    assert_int_equal(pare_run_stages(&run, all, 5, &done), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_int_equal(done, 3);
    assert_int_equal(run.time_count, 2);
    assert_string_equal(run.times[0].name, "a");
    assert_true(run.times[0].seconds >= 0.0 && run.times[1].seconds >= 0.0);
    pare_run_end(&run);
}

#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_SCENE(all_or_nothing), IN_A_SCENE(what_failed_before),
                                       IN_A_SCENE(files_that_are_passed_on), IN_A_SCENE(stages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
