/* A file that appears only when the run has succeeded, and never where it would harm a model. */
#include "prune/prune_run.h"
#include "report/staged.h"

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

static void assert_content(const char *path, const char *expected) {
    char *text;
    assert_int_equal(pare_file_read(path, 1000, &text, NULL), PARE_OK);
    assert_string_equal(text, expected);
    pare_free(text);
}

static void placed_or_dropped(void **state) {
    const scene *s = *state;
    pare_staged staged;
    tiny_write_text(s->folder, "scores.json", "old");
    assert_int_equal(pare_staged_write(json_pack("{s:i}", "a", 1), s->path, &staged), PARE_OK);
    assert_content(s->path, "old");
    pare_staged_drop(&staged);
    prune_run_assert_holds(s->folder, "input scores.json ");
    assert_content(s->path, "old");
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
    assert_content(first.temporary, "first");
    assert_content(second.temporary, "second");
    assert_int_equal(pare_staged_place(&first), PARE_OK);
    assert_content(s->path, "first");
    assert_int_equal(pare_staged_place(&second), PARE_OK);
    assert_content(s->path, "second");
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
    pare_staged_drop(&staged);
    prune_run_assert_holds(s->folder, "input scores.json ");
    assert_true(pare_memory_current() == before);
    free(nowhere);
}

static void places_that_are_refused(void **state) {
    const scene *s = *state;
    char *link = pare_path_join(s->folder, "link"), *through = pare_path_join(s->folder, "link/scores.json");
    char *inside = pare_path_join(s->input, "scores.json"), *beside = pare_format("%s-2", s->input);
    char *sibling = pare_path_join(beside, "scores.json"), *written = pare_path_join(s->output, "scores.json");
    assert_int_equal(symlink(s->input, link), 0);
    assert_int_equal(mkdir(beside, 0755), 0); /* a name that only begins like the input's */
    assert_int_equal(pare_staged_check(s->path, s->input, s->output), PARE_OK);
    assert_int_equal(pare_staged_check(s->path, s->input, NULL), PARE_OK);
    assert_int_equal(pare_staged_check(sibling, s->input, s->output), PARE_OK);
    const char *refused[] = {inside, through, written, s->input, s->folder, ""};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(pare_staged_check(refused[i], s->input, s->output), PARE_FILE_ERROR);
    assert_int_equal(mkdir(s->output, 0755), 0);
    assert_int_equal(pare_staged_check(written, s->input, s->output), PARE_FILE_ERROR);
    assert_int_equal(pare_staged_check(written, s->input, NULL), PARE_OK);
    free(link);
    free(through);
    free(inside);
    free(beside);
    free(sibling);
    free(written);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(placed_or_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_writers_of_one_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places_that_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
