/* pare prune --resume under mpirun: what any number of ranks has left is taken up by any other, with the bytes of a run
 * that never stopped; and what a signal ends is kept. */
#include "prune_place.h"

static pid_t start(const char *ranks, const char **command, FILE *out, FILE *err) {
    if (strcmp(ranks, "1") == 0) return program_start(command + 1, fileno(out), fileno(err), NULL);
    return ranks_start((const char *const[]){"-n", ranks, NULL}, command, out, err);
}

/* ranks "1": without a launcher. */
static program_result run(const char *ranks, const char **command) {
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    int code = program_wait(start(ranks, command, out, err), PROGRAM_SECONDS);
    return (program_result){code, program_captured(out), program_captured(err)};
}

static void resume_command(const place *p, const char *const *words, const char **out) {
    const char *all[PROGRAM_WORDS] = {"--resume"};
    for (size_t i = 0; words[i]; i++)
        all[i + 1] = words[i];
    command_of(p, all, 1, out);
}

static void progress_path(const place *p, const char *name, char *out, size_t size) {
    snprintf(out, size, "%s.progress%s%s", p->output[1], *name ? "/" : "", name);
}

/* What was stopped goes on, and ends with what a run makes that never was. */
static void expect_taken_up(const place *p, const char *ranks, const char *const *words) {
    const char *command[PROGRAM_WORDS];
    char folder[300];
    resume_command(p, words, command);
    program_result whole = run(ranks, command);
    if (whole.code) fprintf(stderr, "%s\n", whole.err);
    assert_int_equal(whole.code, 0);
    progress_path(p, "", folder, sizeof folder);
    assert_int_equal(access(folder, F_OK), -1);
    bytes resumed = weights_of(p->output[1]);
    command_of(p, words, 0, command);
    program_result alone = run("1", command);
    assert_int_equal(alone.code, 0);
    bytes expected = weights_of(p->output[0]);
    assert_int_equal(resumed.count, expected.count);
    assert_memory_equal(resumed.data, expected.data, expected.count);
    free(resumed.data);
    free(expected.data);
    program_result_free(&whole);
    program_result_free(&alone);
}

/* A folder that is in the way of a state file ends all ranks there. */
static void expect_same(const place *p, const char *ranks, const char *then, const char *state,
                        const char *const *words) {
    const char *command[PROGRAM_WORDS];
    char folder[300], obstacle[400], inside[420];
    progress_path(p, "", folder, sizeof folder);
    progress_path(p, state, obstacle, sizeof obstacle);
    snprintf(inside, sizeof inside, "%s/x", obstacle);
    tiny_remove(p->output[1]);
    assert_int_equal(mkdir(folder, 0700) | mkdir(obstacle, 0700) | mkdir(inside, 0700), 0);
    resume_command(p, words, command);
    program_result stopped = run(ranks, command);
    assert_int_not_equal(stopped.code, 0);
    ranks_expect_said(stopped.err, state);
    assert_int_equal(access(p->output[1], F_OK), -1);
    tiny_remove(obstacle);
    program_result_free(&stopped);
    expect_taken_up(p, then, words);
}

#define SAME(p, ranks, then, state, ...) expect_same(p, ranks, then, state, (const char *const[]){__VA_ARGS__, NULL})

static void test_walks(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, "2", "3", "walk-prune.2.new", "--method", "wanda", "--sparsity", "0.5", "--samples", "64");
    SAME(p, "2", "1", "walk-repair.2.new", "--method", "obs", "--ratio", "0.3", "--samples", "64");
}

static ino_t file_of(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? file.st_ino : 0;
}

/* LAUNCHER: or the one process that there is; EVERY_RANK: as the launcher hands it on, which it takes a second for. */
typedef enum receiver { LAUNCHER, LAST_RANK, EVERY_RANK } receiver;

/* What is said when a signal comes once something more is kept in a file. */
static char *said_after(const place *p, const char *ranks, const char *const *words, const char *file, int signal,
                        receiver to) {
    const char *command[PROGRAM_WORDS];
    char kept[300];
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    resume_command(p, words, command);
    progress_path(p, file, kept, sizeof kept);
    ino_t before = file_of(kept), now = before;
    pid_t child = start(ranks, command, out, err), receivers[8] = {child};
    int count = (int)strtol(ranks, NULL, 10);
    if (to == LAST_RANK) *receivers = ranks_newest(child, count);
    if (to == EVERY_RANK) ranks_processes(child, count, receivers);
    for (int look = 0; (!now || now == before) && look < 60000; look++, now = file_of(kept))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    time_t begin = time(NULL);
    for (int i = 0; i < (to == EVERY_RANK ? count : 1); i++)
        assert_int_equal(kill(receivers[i], signal), 0);
    assert_int_not_equal(program_wait(child, PROGRAM_SECONDS), 0);
    assert_true(time(NULL) - begin <= 10);
    char *said = program_captured(err), *printed = program_captured(out);
    assert_string_equal(printed, "");
    ranks_expect_said(said, "the progress is kept in ");
    assert_int_equal(access(p->output[1], F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    free(printed);
    return said;
}

static void test_iteration(void **state) {
    const place *p = *state;
    const char *const words[] = {"--method", "moreau", "--displace", "scored", "--steps", "2",
                                 "--ratio",  "0.3",    "--samples",  "64",     NULL};
    if (!ranks_there()) skip();
    tiny_remove(p->output[1]);
    free(said_after(p, "1", words, "moreau.state", SIGTERM, LAUNCHER));
    expect_taken_up(p, "2", words);
}

/* The second goes on from what the first has kept. */
static void test_signals(void **state) {
    const place *p = *state;
    const char *const words[] = {"--method", "smoothgrad", "--ratio", "0.3", "--samples", "64", NULL};
    char folder[300];
    if (!ranks_there()) skip();
    tiny_remove(p->output[1]);
    free(said_after(p, "2", words, "passes.state", SIGTERM, LAUNCHER));
    char *said = said_after(p, "2", words, "passes.state", SIGKILL, LAST_RANK);
    assert_non_null(strstr(said, "rank 1 "));
    free(said);
    progress_path(p, "", folder, sizeof folder);
    tiny_remove(folder);
}

/* By then the first of three rounds is in the record, and its model in the first rank's folder alone. */
static void test_rounds(void **state) {
    const place *p = *state;
    const char *const words[] = {"--method", "taylor", "--ratio", "0.3", "--samples", "192", "--iterations", "3", NULL};
    if (!ranks_there()) skip();
    tiny_remove(p->output[1]);
    free(said_after(p, "2", words, "round-2/config.json", SIGTERM, EVERY_RANK));
    expect_taken_up(p, "3", words);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks), cmocka_unit_test(test_iteration),
                                       cmocka_unit_test(test_signals), cmocka_unit_test(test_rounds)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
