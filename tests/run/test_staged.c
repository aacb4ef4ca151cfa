/* A file that appears only when the run has succeeded, and never where it would harm a model. */
#include "prune/prune_run.h"
#include "run/staged.h"

typedef struct scene {
    char *folder, *path, *input, *output;
} scene;

static int set_up(void **state) {
    static scene s;
    s = (scene){.folder = tiny_folder()};
    s.path = pare_path_join(s.folder, "scores.json");
    s.input = pare_path_join(s.folder, "input");
    s.output = pare_path_join(s.folder, "output");
    assert_int_equal(mkdir(s.input, 0755), 0);
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    tiny_remove(s->folder);
    free(s->folder);
    free(s->path);
    free(s->input);
    free(s->output);
    return 0;
}

static void placed_or_dropped(void **state) {
    const scene *s = *state;
    pare_staged staged;
    tiny_write_text(s->folder, "scores.json", "old");
    assert_int_equal(pare_staged_write(json_pack("{s:i}", "a", 1), s->path, &staged), PARE_OK);
    prune_run_assert_content(s->path, "old");
    pare_staged_drop(&staged);
    prune_run_assert_holds(s->folder, "input scores.json ");
    prune_run_assert_content(s->path, "old");
    assert_int_equal(pare_staged_write(json_pack("{s:i}", "a", 1), s->path, &staged), PARE_OK);
    assert_int_equal(pare_staged_place(&staged), PARE_OK);
    pare_staged_drop(&staged);
    prune_run_assert_holds(s->folder, "input scores.json ");
    json_t *json = load_json(s->path);
    assert_int_equal(json_integer_value(json_object_get(json, "a")), 1);
    json_decref(json);
    pare_staged_drop(&staged); /* again, as nothing */
    assert_int_equal(pare_staged_place(&staged), PARE_OK);
}

/* As two containers on one volume have, whose processes have the same number. */
static void two_writers_of_one_path(void **state) {
    const scene *s = *state;
    pare_staged first, second;
    assert_int_equal(pare_staged_write_text("first", s->path, &first), PARE_OK);
    assert_int_equal(pare_staged_write_text("second", s->path, &second), PARE_OK);
    prune_run_assert_content(first.temporary, "first");
    prune_run_assert_content(second.temporary, "second");
    assert_int_equal(pare_staged_place(&first), PARE_OK);
    prune_run_assert_content(s->path, "first");
    assert_int_equal(pare_staged_place(&second), PARE_OK);
    prune_run_assert_content(s->path, "second");
    pare_staged_drop(&first);
    pare_staged_drop(&second);
    prune_run_assert_holds(s->folder, "input scores.json ");
}

static void what_cannot_be_written(void **state) {
    const scene *s = *state;
    char *nowhere = pare_path_join(s->folder, "missing/scores.json");
    pare_staged staged;
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_staged_write(json_pack("{s:i}", "a", 1), nowhere, &staged), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), nowhere));
    assert_int_equal(pare_staged_write(NULL, s->path, &staged), PARE_OUT_OF_MEMORY);
    assert_int_equal(pare_staged_write(json_pack("{s:i}", "a", 1), s->path, &staged), PARE_OK);
    assert_int_equal(mkdir(s->path, 0755), 0); /* something came in between */
    tiny_write_text(s->path, "full", "");
    assert_int_equal(pare_staged_place(&staged), PARE_FILE_ERROR);
    pare_staged_undo(&staged);
    pare_staged_drop(&staged);
    prune_run_assert_holds(s->folder, "input scores.json ");
    assert_true(pare_memory_current() == before);
    free(nowhere);
}

static void places_that_are_refused(void **state) {
    const scene *s = *state;
    char *nowhere = pare_path_join(s->folder, "missing/scores.json"), *pipe = pare_path_join(s->folder, "pipe");
    assert_int_equal(pare_staged_check(s->path), PARE_OK);
    assert_int_equal(pare_staged_check(nowhere), PARE_FILE_ERROR);
    assert_int_equal(mkfifo(pipe, 0600), 0); /* a device or a pipe would be lost to the file that takes its name */
    const char *refused[] = {s->input, s->folder, pipe, "/dev/null", "", "scores/"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(pare_staged_check(refused[i]), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "no file that could be replaced"));
    }
    unlink(pipe);
    free(pipe);
    free(nowhere);
}

/* What was replaced, or was not there, is so again. */
static void what_is_undone(void **state) {
    const scene *s = *state;
    for (int there = 0; there < 2; there++) {
        pare_staged staged;
        unlink(s->path);
        if (there) tiny_write_text(s->folder, "scores.json", "old");
        assert_int_equal(pare_staged_write_text("new", s->path, &staged), PARE_OK);
        pare_staged_undo(&staged);
        assert_int_equal(pare_file_exists(s->path), there);
        assert_int_equal(pare_staged_place(&staged), PARE_OK);
        prune_run_assert_content(s->path, "new");
        pare_staged_undo(&staged);
        if (there) prune_run_assert_content(s->path, "old");
        assert_int_equal(pare_file_exists(s->path), there);
        pare_staged_drop(&staged);
        prune_run_assert_holds(s->folder, there ? "input scores.json " : "input ");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(placed_or_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_writers_of_one_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places_that_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_undone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
