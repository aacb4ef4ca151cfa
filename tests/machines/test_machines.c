/* pare eval under mpirun: the numbers of one process for any number of ranks, sentences that name who is to blame, and
 * an end of all where one ends. */
#include "ranks.h"

#include <jansson.h>

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

enum { ROWS = 60 };

typedef struct place {
    char *folder;
    char text[256], smaller[256], items[2][256];
} place;

/* Of lengths so different that they make more than one batch. */
static void write_questions(const char *folder) {
    char *rows = malloc(ROWS * 1024), *at = rows;
    assert_non_null(rows);
    for (int i = 0; i < ROWS; i++) {
        at += sprintf(at, "{\"id\":\"%d\",\"question\":{\"stem\":\"Where did dog number %d go?", i, i);
        for (int more = 0; more < i % 3 * 5; more++)
            at += sprintf(at, " It had played in the garden for all of the day.");
        at += sprintf(at,
                      "\",\"choices\":[{\"text\":\"It went home.\",\"label\":\"A\"},{\"text\":\"It went up %d "
                      "trees.\",\"label\":\"B\"}]},\"answerKey\":\"A\"}\n",
                      i % 7);
    }
    tiny_write_text(folder, "ARC-Easy-Test.jsonl", rows);
    free(rows);
}

static int set_up(void **state) {
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->folder = tiny_folder();
    ranks_text(p->folder, 800, p->text, sizeof p->text);
    write_questions(p->folder);
    ranks_join(p->smaller, sizeof p->smaller, p->folder, "smaller");
    ranks_join(p->items[0], sizeof p->items[0], p->folder, "alone.jsonl");
    ranks_join(p->items[1], sizeof p->items[1], p->folder, "ranks.jsonl");
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    place *p = *state;
    tiny_remove(p->folder);
    free(p->folder);
    free(p);
    return 0;
}

/* What does not depend on the clock. */
static json_t *results_of(const char *text) {
    static const char *const timed[] = {"seconds", "request_tokens_per_second", "computed_tokens_per_second"};
    json_t *document = json_loads(text, 0, NULL), *tasks = json_object_get(document, "tasks"), *task;
    size_t i;
    assert_non_null(document);
    json_array_foreach(tasks, i, task) {
        for (size_t t = 0; t < sizeof timed / sizeof *timed; t++)
            json_object_del(task, timed[t]);
    }
    json_t *kept = json_pack("{sOsO}", "texts", json_object_get(document, "texts"), "tasks", tasks);
    assert_non_null(kept);
    json_decref(document);
    return kept;
}

/* Little memory makes many groups of windows. */
#define EVALUATION(p, to)                                                                                              \
    PARE_PROGRAM, "eval", (p)->smaller, "--text", (p)->text, "--against", model, "--tasks", "arc_easy", "--data",      \
        (p)->folder, "--threads", "1", "--memory", "36M", "--json", "--quiet", "--save-items", to, NULL

static void test_same_numbers(void **state) {
    place *p = *state;
    if (!ranks_there()) skip();
    program_result pruned = program_run((const char *const[]){"prune", model, "-o", p->smaller, "--method", "random",
                                                              "--ratio", "0.3", "--quiet", NULL});
    assert_int_equal(pruned.code, 0);
    program_result_free(&pruned);
    const char *const alone[] = {EVALUATION(p, p->items[0])};
    program_result one = program_run(alone + 1);
    assert_int_equal(one.code, 0);
    json_t *expected = results_of(one.out);
    char *items = ranks_file(p->items[0]);
    static const char *const counts[] = {"2", "3"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *const ranks[] = {EVALUATION(p, p->items[1])};
        program_result several = ranks_run((const char *const[]){"-n", counts[i], NULL}, ranks);
        if (several.code) fprintf(stderr, "%s\n", several.err);
        assert_int_equal(several.code, 0);
        assert_string_equal(several.err, "");
        json_t *found = results_of(several.out);
        assert_true(json_integer_value(json_object_get(json_array_get(json_object_get(found, "tasks"), 0), "batches")) >
                    1);
        if (!json_equal(expected, found)) {
            json_dumpf(expected, stderr, JSON_INDENT(1));
            json_dumpf(found, stderr, JSON_INDENT(1));
            fail();
        }
        char *other = ranks_file(p->items[1]);
        assert_string_equal(items, other);
        unlink(p->items[1]);
        json_decref(found);
        free(other);
        program_result_free(&several);
    }
    json_decref(expected);
    free(items);
    program_result_free(&one);
}

/* The rows of a sweep but for their times. */
static json_t *rows_of(const char *text) {
    json_t *document = json_loads(text, 0, NULL), *row;
    assert_non_null(document);
    json_t *rows = json_incref(json_object_get(document, "rows"));
    size_t i;
    json_array_foreach(rows, i, row) assert_int_equal(json_object_del(row, "seconds"), 0);
    json_decref(document);
    return rows;
}

/* Three points and two ranks: one of these has nothing to do in the last round. */
#define SWEEP(to)                                                                                                      \
    PARE_PROGRAM, "sweep", model, "--method", "random", "--over", "ratio=0.1,0.2,0.3", "--threads", "1", "--quiet",    \
        "--json", "--csv", to, NULL

static void test_sweep(void **state) {
    const place *p = *state;
    char csv[2][300];
    if (!ranks_there()) skip();
    ranks_join(csv[0], sizeof csv[0], p->folder, "alone.csv");
    ranks_join(csv[1], sizeof csv[1], p->folder, "ranks.csv");
    const char *const alone[] = {SWEEP(csv[0])}, *const ranks[] = {SWEEP(csv[1])};
    program_result one = program_run(alone + 1);
    program_result two = ranks_run((const char *const[]){"-n", "2", NULL}, ranks);
    if (two.code) fprintf(stderr, "%s\n", two.err);
    assert_int_equal(one.code, 0);
    assert_int_equal(two.code, 0);
    json_t *expected = rows_of(one.out), *found = rows_of(two.out);
    assert_int_equal(json_array_size(expected), 3);
    assert_true(json_equal(expected, found));
    char *kept = ranks_file(csv[1]);
    assert_int_equal(ranks_count(kept, "\n"), 5); /* what the sweep is, the names, three rows */
    free(kept);
    json_decref(expected);
    json_decref(found);
    program_result_free(&one);
    program_result_free(&two);
}

/* Three points, a method with a seed each or a gradient, and two ranks; --plot is rank 0's alone, ranks are all's. */
#define STUDY(p, to)                                                                                                   \
    PARE_PROGRAM, "robust", model, "--methods", "taylor,moreau", "--perturb", "bf16", "--ratio", "0.2", "--seeds",     \
        "2", "--plot", to, "--lipschitz", "--lipschitz-draws", "1", "--calib", (p)->text, "--calib-stream",            \
        "--samples", "2", "--length", "16", "--steps", "2", "--threads", "1", "--quiet", "--json", NULL

static void test_study(void **state) {
    const place *p = *state;
    char plot[2][300], csv[2][400];
    if (!ranks_there()) skip();
    for (int i = 0; i < 2; i++) {
        ranks_join(plot[i], sizeof plot[i], p->folder, i ? "ranks-" : "alone-");
        snprintf(csv[i], sizeof csv[i], "%s-ranks.csv", plot[i]);
    }
    const char *const alone[] = {STUDY(p, plot[0])}, *const ranks[] = {STUDY(p, plot[1])};
    program_result one = program_run(alone + 1);
    program_result two = ranks_run((const char *const[]){"-n", "2", NULL}, ranks);
    if (two.code) fprintf(stderr, "%s\n", two.err);
    assert_int_equal(one.code, 0);
    assert_int_equal(two.code, 0);
    assert_string_equal(one.out, two.out);
    char *kept[] = {ranks_file(csv[0]), ranks_file(csv[1])};
    assert_string_equal(kept[0], kept[1]);
    free(kept[0]);
    free(kept[1]);
    program_result_free(&one);
    program_result_free(&two);
}

/* Both ranks in a folder of their own, where text.txt is what `here` and `there` say (NULL: not there). */
static program_result with_texts(const place *p, const char *here, const char *there) {
    char first[300], second[300];
    ranks_join(first, sizeof first, p->folder, "first");
    ranks_join(second, sizeof second, p->folder, "second");
    mkdir(first, 0700);
    mkdir(second, 0700);
    if (here) tiny_write_text(first, "text.txt", here);
    if (there) tiny_write_text(second, "text.txt", there);
    const char *const words[] = {PARE_PROGRAM, "eval", model,        "--text", "text.txt", ":",      "-n",       "1",
                                 "-wdir",      second, PARE_PROGRAM, "eval",   model,      "--text", "text.txt", NULL};
    program_result result = ranks_run((const char *const[]){"-n", "1", "-wdir", first, NULL}, words);
    tiny_remove(first);
    tiny_remove(second);
    return result;
}

static void test_disagreement(void **state) {
    if (!ranks_there()) skip();
    char *one = ranks_sentences(40), *other = ranks_sentences(41);
    program_result result = with_texts(*state, one, other);
    assert_int_not_equal(result.code, 0);
    ranks_expect_said(result.err, "do not have the same windows of text or pictures");
    assert_non_null(strstr(result.err, "pare: rank 1 on "));
    assert_string_equal(result.out, "");
    program_result_free(&result);
    free(one);
    free(other);
}

static void test_failing_rank(void **state) {
    if (!ranks_there()) skip();
    char *one = ranks_sentences(40);
    program_result result = with_texts(*state, one, NULL);
    assert_int_not_equal(result.code, 0);
    ranks_expect_said(result.err, "cannot read text.txt");
    assert_non_null(strstr(result.err, "pare: rank 1 on "));
    assert_string_equal(result.out, "");
    program_result_free(&result);
    free(one);
}

static void test_not_spread(void **state) {
    const place *p = *state;
    char output[300];
    if (!ranks_there()) skip();
    ranks_join(output, sizeof output, p->folder, "out");
    program_result result = ranks_run((const char *const[]){"-n", "2", NULL},
                                      (const char *const[]){PARE_PROGRAM, "export", model, "-o", output, NULL});
    assert_int_not_equal(result.code, 0);
    ranks_expect_said(result.err, "this command is not spread over ranks");
    assert_int_equal(access(output, F_OK), -1);
    program_result_free(&result);
}

/* One that is killed ends all of them, soon, and nothing is delivered. */
static void test_killed(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    const char *const words[] = {PARE_PROGRAM, "eval",     model,           "--text",  "self",         "--window",
                                 "256",        "--quiet",  "--max-windows", "4000",    "--threads",    "1",
                                 "--tasks",    "arc_easy", "--data",        p->folder, "--save-items", p->items[1],
                                 NULL};
    pid_t mpirun = ranks_start((const char *const[]){"-n", "2", NULL}, words, out, err);
    pid_t rank = ranks_newest(mpirun, 2);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    time_t start = time(NULL);
    assert_int_equal(kill(rank, SIGKILL), 0);
    int code = program_wait(mpirun, PROGRAM_SECONDS);
    assert_int_not_equal(code, 0);
    assert_true(time(NULL) - start <= 10);
    char *said = program_captured(err), *printed = program_captured(out);
    assert_string_equal(printed, "");
    assert_non_null(strstr(said, "rank 1 "));
    assert_int_equal(access(p->items[1], F_OK), -1);
    free(said);
    free(printed);
}

/* A launcher's word without MPI behind it. */
static void claim_ranks(void) {
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    unsetenv("PMIX_RANK");
}

static void test_claimed(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    const char *const words[] = {"eval", model, "--text", p->text, NULL};
    program_result result = program_run_prepared(words, claim_ranks);
    assert_int_not_equal(result.code, 0);
    assert_non_null(strstr(result.err, "OMPI_COMM_WORLD_SIZE says that this is one of 2 ranks"));
    assert_string_equal(result.out, "");
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_numbers), cmocka_unit_test(test_sweep),
                                       cmocka_unit_test(test_study),        cmocka_unit_test(test_disagreement),
                                       cmocka_unit_test(test_failing_rank), cmocka_unit_test(test_not_spread),
                                       cmocka_unit_test(test_killed),       cmocka_unit_test(test_claimed)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
