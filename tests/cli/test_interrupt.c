/* SIGINT and SIGTERM in the middle of the work: exit code 1 within seconds, and nothing left behind. */
#include "cli/workplace.h"

/* Reads standard error up to the first line of progress, which is the only one with a share of the work in it. */
static bool await_progress(FILE *err) {
    char line[512];
    while (fgets(line, sizeof line, err))
        if (strstr(line, " % (")) return true;
    return false;
}

static void expect_clean_stop(const workplace *place, int signal_number) {
    char *scratch = pare_path_join(place->folder, "scratch");
    int ends[2];
    assert_int_equal(mkdir(scratch, 0755), 0);
    workplace_write_text(place);
    char *before = workplace_list(place->folder);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const words[] = {"prune",  place->model, "-o",        place->output, "--ratio", "0.25", "--steps",
                                 "100000", "--calib",    place->text, "--scratch",   scratch,   NULL};
    pid_t child = program_start(words, -1, ends[1], NULL);
    close(ends[1]);
    FILE *err = fdopen(ends[0], "r");
    assert_non_null(err);
    bool began = await_progress(err);
    kill(child, signal_number);
    int code = program_wait(child, 20);
    fclose(err);
    assert_true(began);
    assert_int_equal(code, 1);
    workplace_expect_entries(place->folder, before);
    workplace_expect_entries(scratch, ".\n..\n");
    free(before);
    free(scratch);
}

static void interrupted(void **state) {
    expect_clean_stop(*state, SIGINT);
}

static void terminated(void **state) {
    expect_clean_stop(*state, SIGTERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(interrupted), IN_A_WORKPLACE(terminated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
