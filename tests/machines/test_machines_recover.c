/* pare recover under mpirun: the model of one process, to the last byte, for any number of ranks. */
#include "prune_place.h"

#include <jansson.h>

/* 80 rows, of which 64 are a batch of more than one shard. */
static int set_up_rows(void **state) {
    char rows[300];
    set_up(state);
    const place *p = *state;
    ranks_join(rows, sizeof rows, p->folder, "rows.jsonl");
    FILE *file = fopen(rows, "w");
    assert_non_null(file);
    for (int i = 0; i < 80; i++) {
        fputs("{\"text\": \"", file);
        for (int k = 0; k < 6 + i % 7; k++)
            fprintf(file, "The little dog number %d went home. ", (i * k) * (i * k) % 977);
        fputs("\"}\n", file);
    }
    fclose(file);
    return 0;
}

static pid_t start(const place *p, const char *ranks, const char *const *words, int output, FILE *out, FILE *err) {
    char rows[300];
    ranks_join(rows, sizeof rows, p->folder, "rows.jsonl");
    const char *command[PROGRAM_WORDS] = {PARE_PROGRAM, "recover",   model,     "-o",     p->output[output], "--data",
                                          rows,         "--threads", "1",       "--json", "--quiet",         "--force",
                                          "--cutoff",   "64",        "--batch", "64"};
    size_t count = 0;
    while (command[count])
        count++;
    while (*words)
        command[count++] = *words++;
    if (!ranks) return program_start(command + 1, fileno(out), fileno(err), NULL);
    return ranks_start((const char *const[]){"-n", ranks, NULL}, command, out, err);
}

/* ranks NULL: without a launcher. */
static program_result recover(const place *p, const char *ranks, const char *const *words, int output) {
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    int code = program_wait(start(p, ranks, words, output, out, err), PROGRAM_SECONDS);
    return (program_result){code, program_captured(out), program_captured(err)};
}

/* What is told of losses and of texts. */
static json_t *numbers_of(program_result *result) {
    if (result->code) fprintf(stderr, "%s\n", result->err);
    assert_int_equal(result->code, 0);
    json_t *document = json_loads(result->out, 0, NULL);
    assert_non_null(document);
    json_t *kept = json_pack("{sOsO?}", "validation", json_object_get(document, "validation"), "texts",
                             json_object_get(document, "texts"));
    assert_non_null(kept);
    json_decref(document);
    program_result_free(result);
    return kept;
}

static void compare_outputs(const place *p) {
    bytes alone = weights_of(p->output[0]), other = weights_of(p->output[1]);
    assert_int_equal(alone.count, other.count);
    assert_memory_equal(alone.data, other.data, alone.count);
    free(alone.data);
    free(other.data);
}

/* The same numbers, and the same bytes in both outputs. */
static void compare(const place *p, program_result *one, program_result *another) {
    json_t *expected = numbers_of(one), *found = numbers_of(another);
    assert_true(json_equal(expected, found));
    compare_outputs(p);
    json_decref(expected);
    json_decref(found);
}

static void expect_done(program_result result) {
    if (result.code) fprintf(stderr, "%s\n", result.err);
    assert_int_equal(result.code, 0);
    assert_string_equal(result.err, "");
    program_result_free(&result);
}

static void expect_same(const place *p, const char *ranks, const char *const *words) {
    program_result one = recover(p, NULL, words, 0), several = recover(p, ranks, words, 1);
    assert_string_equal(several.err, "");
    compare(p, &one, &several);
}

#define SAME(p, ranks, ...) expect_same(p, ranks, (const char *const[]){__VA_ARGS__, NULL})

static void test_factors(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, "3", "--steps", "2", "--val", "12", "--text", p->text, "--window", "64", "--max-windows", "8");
}

static void test_all_weights(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, "2", "--full", "--steps", "2", "--val", "12");
}

/* A launcher that is told to end saves; one process goes on. */
static void test_resume(void **state) {
    const place *p = *state;
    const char *const words[] = {"--steps", "6", "--val", "12", "--resume", "--save-every", "1", NULL};
    char kept[300];
    if (!ranks_there()) skip();
    tiny_remove(p->output[1]);
    snprintf(kept, sizeof kept, "%s.progress/training.state", p->output[1]);
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    pid_t mpirun = start(p, "2", words, 1, out, err), last = ranks_newest(mpirun, 2);
    for (int look = 0; access(kept, F_OK) != 0 && look < 60000; look++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(kill(last, SIGSTOP) | kill(mpirun, SIGTERM), 0);
    assert_int_not_equal(program_wait(mpirun, PROGRAM_SECONDS), 0);
    char *said = program_captured(err);
    ranks_expect_said(said, "the progress is kept in ");
    assert_int_equal(access(kept, F_OK), 0);
    free(said);
    fclose(out);
    program_result rest = recover(p, NULL, words, 1), whole = recover(p, NULL, words, 0);
    compare(p, &whole, &rest);
}

static void expect_same_files(const char *path, const char *other) {
    struct stat one, another;
    assert_int_equal(stat(path, &one) | stat(other, &another), 0);
    assert_int_equal(one.st_size, another.st_size);
    char *a = ranks_file(path), *b = ranks_file(other);
    assert_memory_equal(a, b, (size_t)one.st_size);
    free(a);
    free(b);
}

/* What a teacher says is kept by ranks as by one process, and taken up by them. */
static void test_taught(void **state) {
    const place *p = *state;
    char teacher[300], cache[2][300];
    if (!ranks_there()) skip();
    ranks_join(teacher, sizeof teacher, p->folder, "teacher");
    ranks_join(cache[0], sizeof cache[0], p->folder, "alone.cache");
    ranks_join(cache[1], sizeof cache[1], p->folder, "ranks.cache");
    expect_done(recover(p, NULL, (const char *const[]){"--steps", "1", NULL}, 0));
    assert_int_equal(rename(p->output[0], teacher), 0);
#define TAUGHT(to)                                                                                                     \
    ((const char *const[]){"--steps", "1", "--val", "12", "--teacher", teacher, "--teacher-cache", to, NULL})
    program_result one = recover(p, NULL, TAUGHT(cache[0]), 0), several = recover(p, "3", TAUGHT(cache[1]), 1);
    compare(p, &one, &several);
    expect_same_files(cache[0], cache[1]);
    expect_done(recover(p, "2", TAUGHT(cache[0]), 1));
    compare_outputs(p);
#undef TAUGHT
}

/* Each rank has a pruned model of its own, which is trained on. */
static void test_behind_pruning(void **state) {
    const place *p = *state;
    char rows[300];
    const char *command[PROGRAM_WORDS];
    if (!ranks_there()) skip();
    ranks_join(rows, sizeof rows, p->folder, "rows.jsonl");
    const char *const words[] = {
        "--method",        "wanda", "--sparsity",      "0.5", "--samples", "64",    "--recover", rows,
        "--recover-batch", "64",    "--recover-steps", "1",   "--teacher", "dense", NULL};
    command_of(p, words, 0, command);
    expect_done(program_run(command + 1));
    command_of(p, words, 1, command);
    expect_done(ranks_run((const char *const[]){"-n", "2", NULL}, command));
    compare_outputs(p);
}

/* One process has no room for all moments; ranks have a part of them each. */
static void test_moments(void **state) {
    const place *p = *state;
    const char *const words[] = {"--full", "--steps", "2", "--memory", "37M", "--compute", "bf16", NULL};
    if (!ranks_there()) skip();
    program_result one = recover(p, NULL, words, 0);
    assert_int_not_equal(one.code, 0);
    ranks_expect_said(one.err, "raise --memory");
    program_result_free(&one);
    expect_done(recover(p, "2", words, 0));
    expect_done(recover(p, "3", words, 1));
    compare_outputs(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_factors), cmocka_unit_test(test_all_weights),
                                       cmocka_unit_test(test_moments), cmocka_unit_test(test_resume),
                                       cmocka_unit_test(test_taught),  cmocka_unit_test(test_behind_pruning)};
    return cmocka_run_group_tests(tests, set_up_rows, tear_down);
}
