/* SIGINT and SIGTERM in the middle of the work: exit code 1 within seconds, and nothing left behind but the progress
 * that was to be kept, of which the sentence speaks. */
#include "cli/workplace.h"

/* Reads standard error up to the first line of progress, which is the only one with a share of the work in it. */
static bool await_progress(FILE *err) {
    char line[512];
    while (fgets(line, sizeof line, err))
        if (strstr(line, " % (")) return true;
    return false;
}

/* Stops a run with one more option, once `made` (or NULL) exists. What it says of that, freed with free(). */
static char *stop(const workplace *place, int signal_number, const char *option, const char *scratch,
                  const char *made) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const words[] = {"prune",   place->model, "-o",        place->output, "--method",  "moreau-gs",
                                 "--ratio", "0.25",       "--steps",   "100000",      "--samples", "4",
                                 "--calib", place->text,  "--scratch", scratch,       option,      NULL};
    pid_t child = program_start(words, -1, ends[1], NULL);
    close(ends[1]);
    FILE *err = fdopen(ends[0], "r");
    assert_non_null(err);
    bool began = await_progress(err);
    for (int i = 0; i < 2000 && made && !pare_file_exists(made); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    kill(child, signal_number);
    if (signal_number == SIGINT) { /* once from the terminal, and once more from a launcher */
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        kill(child, signal_number);
    }
    char *rest = calloc(1 << 20, 1), *said = NULL;
    assert_non_null(rest);
    if (fread(rest, 1, (1 << 20) - 1, err)) said = strstr(rest, "interrupted");
    char *last = said ? strdup(said) : NULL;
    free(rest);
    int code = program_wait(child, 20);
    fclose(err);
    assert_true(began);
    assert_int_equal(code, 1);
    assert_non_null(last);
    return last;
}

static void expect_clean_stop(const workplace *place, int signal_number) {
    char *scratch = pare_path_join(place->folder, "scratch");
    assert_int_equal(mkdir(scratch, 0755), 0);
    workplace_write_text(place);
    char *before = workplace_list(place->folder);
    char *said = stop(place, signal_number, "--force", scratch, NULL);
    assert_non_null(strstr(said, "nothing was left behind"));
    free(said);
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

/* Stopped once in the middle, and once more where what was kept is taken up. */
static void interrupted_and_kept(void **state) {
    workplace *place = *state;
    char *scratch = pare_path_join(place->folder, "scratch"), *progress = pare_format("%s.progress", place->output);
    assert_int_equal(mkdir(scratch, 0755), 0);
    workplace_write_text(place);
    for (int i = 0; i < 2; i++) {
        char *said = stop(place, SIGINT, "--resume", scratch, progress);
        assert_null(strstr(said, "nothing was left behind"));
        assert_non_null(strstr(said, progress));
        assert_non_null(strstr(said, "run the same command again"));
        assert_true(pare_file_exists(progress));
        free(said);
    }
    free(progress);
    free(scratch);
}

/* Nobody can undo what a killed run has half done; the next one with the same OUT does. */
static void killed(void **state) {
    workplace *place = *state;
    int ends[2];
    workplace_write_text(place);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *const words[] = {"prune",  place->model, "-o", place->output, "--ratio",   "0.25", "--steps",
                                 "100000", "--samples",  "4",  "--calib",     place->text, NULL};
    pid_t child = program_start(words, -1, ends[1], NULL);
    close(ends[1]);
    FILE *err = fdopen(ends[0], "r");
    assert_non_null(err);
    assert_true(await_progress(err));
    kill(child, SIGKILL);
    program_wait(child, 20);
    fclose(err);
    char *left = workplace_list(place->folder);
    assert_non_null(strstr(left, "out.pare-"));
    free(left);
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--ratio", "0.25", "--calib", place->text, QUICKLY);
    program_result_free(&result);
    left = workplace_list(place->folder);
    assert_null(strstr(left, "out.pare-"));
    free(left);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(interrupted), IN_A_WORKPLACE(terminated),
                                       IN_A_WORKPLACE(interrupted_and_kept), IN_A_WORKPLACE(killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
