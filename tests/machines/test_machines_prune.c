/* pare prune under mpirun: the model of one process, to the last byte, for any number of ranks. */
#include "prune_place.h"

#include <jansson.h>

static json_t *document_of(const program_result *result) {
    if (result->code) fprintf(stderr, "%s\n", result->err);
    assert_int_equal(result->code, 0);
    json_t *document = json_loads(result->out, 0, NULL);
    assert_non_null(document);
    return document;
}

/* Texts before and after, but for the time that they took. */
static json_t *texts_of(json_t *document) {
    json_t *texts = json_incref(json_object_get(document, "texts"));
    json_decref(document);
    return texts;
}

static json_int_t sent_by(const json_t *ranks) {
    json_int_t sum = 0;
    for (size_t rank = 0; rank < json_array_size(ranks); rank++)
        sum += json_integer_value(json_object_get(json_array_get(ranks, rank), "sent"));
    return sum;
}

static void expect_same(const place *p, const char *const *words, const char *const *counts) {
    const char *command[PROGRAM_WORDS];
    command_of(p, words, 0, command);
    program_result one = program_run(command + 1);
    json_t *expected = texts_of(document_of(&one));
    bytes alone = weights_of(p->output[0]);
    for (; *counts; counts++) {
        command_of(p, words, 1, command);
        program_result several = ranks_run((const char *const[]){"-n", *counts, NULL}, command);
        json_t *document = document_of(&several);
        const json_t *ranks = json_object_get(document, "ranks");
        assert_int_equal(json_array_size(ranks), strtol(*counts, NULL, 10));
        assert_true(sent_by(ranks) > 20000);
        json_t *found = texts_of(document);
        assert_true(expected == found || json_equal(expected, found));
        bytes other = weights_of(p->output[1]);
        assert_int_equal(alone.count, other.count);
        if (memcmp(alone.data, other.data, alone.count) != 0) {
            fprintf(stderr, "%s ranks make another model of %s %s\n", *counts, words[0], words[1]);
            fail();
        }
        assert_string_equal(several.err, "");
        free(other.data);
        json_decref(found);
        program_result_free(&several);
    }
    free(alone.data);
    json_decref(expected);
    program_result_free(&one);
}

#define SAME(p, counts, ...) expect_same(p, (const char *const[]){__VA_ARGS__, NULL}, counts)

static const char *const two[] = {"2", NULL}, *const three[] = {"3", NULL}, *const five[] = {"5", NULL};

/* 261 sequences are eight shards, not all of one length. */
static void test_single_weights(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, two, "--method", "wanda", "--sparsity", "0.5", "--samples", "64");
    SAME(p, three, "--method", "sparsegpt", "--sparsity", "0.5", "--samples", "261", "--text", p->text, "--text",
         "self", "--max-windows", "40", "--window", "64");
}

static void test_units(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, five, "--method", "obs", "--ratio", "0.3", "--samples", "64");
}

static void test_gradients(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, three, "--method", "taylor", "--ratio", "0.3", "--samples", "131");
    SAME(p, two, "--method", "taylor-second", "--ratio", "0.3", "--samples", "64");
    SAME(p, two, "--method", "moreau", "--displace", "scored", "--steps", "2", "--ratio", "0.3", "--samples", "64");
    SAME(p, two, "--method", "gblm", "--sparsity", "0.5", "--samples", "64");
}

/* 66 sequences are felt in three groups. */
static void test_best(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, two, "--method", "best", "--ratio", "0.3", "--samples", "66");
    SAME(p, two, "--method", "best-sparse", "--sparsity", "0.5", "--samples", "66");
}

/* Halves of blocks that are trained: 40 sequences go through them in two batches. */
static void test_reconstruction(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    SAME(p, two, "--method", "wanda", "--sparsity", "0.5", "--samples", "40", "--reconstruct", "2",
         "--reconstruct-dense", "0.5");
}

/* Measurements of a search: trials that are taken, and what is measured ahead of them in vain. */
static void test_searches(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
#define SEARCH "--allocate", "search", "--samples", "24", "--search-steps"
    SAME(p, three, "--method", "obs", "--ratio", "0.3", SEARCH, "24");
    SAME(p, two, "--method", "obs", "--ratio", "0.3", "--select", "uniform", SEARCH, "24");
    SAME(p, two, "--method", "sparsegpt", "--sparsity", "0.5", SEARCH, "8");
#undef SEARCH
}

/* Whole experts, by what tokens make of them; scores to the last digit. */
static void expect_same_experts(const place *p, const char *const *words) {
    const char *command[PROGRAM_WORDS];
    char scores[2][300], *said[2];
    for (int i = 0; i < 2; i++) {
        size_t count = 0;
        ranks_join(scores[i], sizeof scores[i], p->folder, i ? "ranks.json" : "alone.json");
        command_of(p, words, i, command);
        command[2] = PARE_SOURCE_DIR "/examples/tiny-stories-moe";
        while (command[count])
            count++;
        command[count++] = "--scores";
        command[count++] = scores[i];
        command[count] = NULL;
        program_result result =
            i ? ranks_run((const char *const[]){"-n", "2", NULL}, command) : program_run(command + 1);
        json_decref(document_of(&result));
        assert_string_equal(result.err, "");
        said[i] = ranks_file(scores[i]);
        program_result_free(&result);
    }
    assert_string_equal(said[0], said[1]);
    free(said[0]);
    free(said[1]);
    bytes alone = weights_of(p->output[0]), other = weights_of(p->output[1]);
    assert_int_equal(alone.count, other.count);
    assert_memory_equal(alone.data, other.data, alone.count);
    free(alone.data);
    free(other.data);
}

static void test_experts(void **state) {
    const place *p = *state;
    if (!ranks_there()) skip();
    expect_same_experts(p, (const char *const[]){"--method", "reap", "--ratio", "0.3", "--samples", "67", NULL});
    expect_same_experts(p,
                        (const char *const[]){"--method", "expert-taylor", "--ratio", "0.3", "--samples", "67", NULL});
}

/* One that is killed ends all of them, soon, and no model is there. */
static void test_killed(void **state) {
    const place *p = *state;
    const char *command[PROGRAM_WORDS];
    if (!ranks_there()) skip();
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    tiny_remove(p->output[1]);
    command_of(p, (const char *const[]){"--method", "smoothgrad", "--ratio", "0.3", "--samples", "128", NULL}, 1,
               command);
    pid_t mpirun = ranks_start((const char *const[]){"-n", "2", NULL}, command, out, err);
    pid_t rank = ranks_newest(mpirun, 2);
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    time_t start = time(NULL);
    assert_int_equal(kill(rank, SIGKILL), 0);
    assert_int_not_equal(program_wait(mpirun, PROGRAM_SECONDS), 0);
    assert_true(time(NULL) - start <= 10);
    char *said = program_captured(err), *printed = program_captured(out);
    assert_string_equal(printed, "");
    assert_non_null(strstr(said, "rank 1 "));
    assert_int_equal(access(p->output[1], F_OK), -1);
    free(said);
    free(printed);
}

/* The second rank's files may not grow beyond 1 MB: its scratch disk is full, as its half of the displacement
 * takes 2.2. MPI's own are kept out of that. */
static void test_full_disk(void **state) {
    const place *p = *state;
    const char *command[PROGRAM_WORDS], *words[PROGRAM_WORDS];
    char scratch[300];
    size_t count = 0;
    if (!ranks_there()) skip();
    ranks_join(scratch, sizeof scratch, p->folder, "scratch");
    assert_int_equal(mkdir(scratch, 0700), 0);
    tiny_remove(p->output[1]);
    command_of(p,
               (const char *const[]){"--method", "moreau", "--displace", "scored", "--steps", "2", "--ratio", "0.3",
                                     "--samples", "32", "--compute", "fp32", "--memory", "24M", "--scratch", scratch,
                                     NULL},
               1, command);
    for (size_t i = 0; command[i]; i++)
        words[count++] = command[i];
    for (const char *const *w =
             (const char *const[]){":", "-n", "1", "sh", "-c", "ulimit -f 2000; exec \"$@\"", "sh", NULL};
         *w; w++)
        words[count++] = *w;
    for (size_t i = 0; command[i]; i++)
        words[count++] = command[i];
    words[count] = NULL;
    program_result result = ranks_run((const char *const[]){"--mca", "btl", "self,tcp", "-n", "1", NULL}, words);
    assert_int_not_equal(result.code, 0);
    ranks_expect_said(result.err, "pare: rank 1 on ");
    ranks_expect_said(result.err, "cannot reserve 2.2 MiB for the Moreau displacement");
    assert_string_equal(result.out, "");
    assert_int_equal(access(p->output[1], F_OK), -1);
    program_result_free(&result);
}

/* Each rank in a folder of its own, with another text there. */
static void test_disagreement(void **state) {
    const place *p = *state;
    char folder[2][300];
    const char *command[PROGRAM_WORDS], *words[PROGRAM_WORDS];
    size_t count = 0;
    if (!ranks_there()) skip();
    for (int rank = 0; rank < 2; rank++) {
        char *text = ranks_sentences(800 + rank);
        ranks_join(folder[rank], sizeof folder[rank], p->folder, rank ? "second" : "first");
        mkdir(folder[rank], 0700);
        tiny_write_text(folder[rank], "here.txt", text);
        free(text);
    }
    tiny_remove(p->output[1]);
    command_of(p, (const char *const[]){"--method", "wanda", "--sparsity", "0.5", NULL}, 1, command);
    for (int rank = 0; rank < 2; rank++) {
        if (rank)
            for (const char *const *w = (const char *const[]){":", "-n", "1", "-wdir", folder[1], NULL}; *w; w++)
                words[count++] = *w;
        for (size_t i = 0; command[i]; i++)
            words[count++] = command[i] == p->text ? "here.txt" : command[i];
    }
    words[count] = NULL;
    program_result result = ranks_run((const char *const[]){"-n", "1", "-wdir", folder[0], NULL}, words);
    assert_int_not_equal(result.code, 0);
    ranks_expect_said(result.err, "do not have the same calibration text");
    assert_int_equal(access(p->output[1], F_OK), -1);
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single_weights), cmocka_unit_test(test_units),
                                       cmocka_unit_test(test_gradients),      cmocka_unit_test(test_best),
                                       cmocka_unit_test(test_searches),       cmocka_unit_test(test_reconstruction),
                                       cmocka_unit_test(test_experts),        cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_disagreement),   cmocka_unit_test(test_full_disk)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
