/* Two programs at once on one model, one OUT, one scratch folder and one CSV file: each is done or says why not, and
 * what is there afterwards is one of theirs, whole. */
#include "cli/workplace.h"

enum { PROGRAMS = 2, ROUNDS = 3 };

typedef struct pair {
    int code[PROGRAMS];
    char *err[PROGRAMS];
} pair;

static pair run_both(const char *const *first, const char *const *second) {
    const char *const *words[PROGRAMS] = {first, second};
    pid_t children[PROGRAMS];
    FILE *err[PROGRAMS];
    pair result;
    for (int i = 0; i < PROGRAMS; i++) {
        err[i] = tmpfile();
        assert_non_null(err[i]);
        children[i] = program_start(words[i], -1, fileno(err[i]), NULL);
    }
    for (int i = 0; i < PROGRAMS; i++) {
        result.code[i] = program_wait(children[i], PROGRAM_SECONDS);
        result.err[i] = program_captured(err[i]);
    }
    return result;
}

static void pair_free(pair *result) {
    for (int i = 0; i < PROGRAMS; i++)
        free(result->err[i]);
}

/* Both done, or one, and the other with a sentence. Returns how many were done. */
static int expect_ends(const pair *result) {
    int done = 0;
    for (int i = 0; i < PROGRAMS; i++) {
        done += result->code[i] == 0;
        bool told = result->code[i] == 0 || program_is_sentence(result->err[i]);
        if (result->code[i] > 2 || !told) fail_msg("exit code %d: %s", result->code[i], result->err[i]);
    }
    assert_true(done > 0);
    return done;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void one_output_and_one_scratch(void **state) {
    const workplace *place = *state;
    char *scratch = pare_path_join(place->folder, "scratch");
    assert_int_equal(mkdir(scratch, 0755), 0);
    for (int round = 0; round < ROUNDS; round++) {
        const char *force = round ? "--force" : "--no-card";
        pair result = run_both(WORDS("prune", place->model, "-o", place->output, "--method", "moreau", "--ratio",
                                     "0.25", "--iterations", "2", "--scratch", scratch, force, QUICKLY),
                               WORDS("prune", place->model, "-o", place->output, "--method", "moreau", "--ratio", "0.5",
                                     "--iterations", "2", "--scratch", scratch, force, QUICKLY));
        expect_ends(&result);
        pair_free(&result);
        workplace_expect_entries(place->folder, ".\n..\nmodel\nout\nscratch\n");
        workplace_expect_entries(scratch, ".\n..\n");
        program_result whole = EXPECT_SUCCESS("inspect", place->output, "--tensors");
        program_result_free(&whole);
    }
    free(scratch);
}

static void one_progress(void **state) {
    const workplace *place = *state;
    const char *const *words = WORDS("prune", place->model, "-o", place->output, "--method", "moreau", "--ratio",
                                     "0.25", "--resume", "--steps", "4", "--samples", "2", "--length", "32", "--quiet");
    pair result = run_both(words, words);
    if (expect_ends(&result) == 1) {
        const char *said = result.err[result.code[0] ? 0 : 1];
        if (!strstr(said, "another run") && !strstr(said, "exists already") && !strstr(said, "finished model"))
            fail_msg("%s", said);
    }
    pair_free(&result);
    workplace_expect_entries(place->folder, ".\n..\nmodel\nout\n");
}

static void one_table(void **state) {
    const workplace *place = *state;
    char *csv = pare_path_join(place->folder, "rows.csv"), *json = pare_path_join(place->folder, "rows.json");
    const char *const *words = WORDS("sweep", place->model, "--method", "taylor", "--over", "ratio=0.25,0.5", "--csv",
                                     csv, "--json-file", json, "--no-report", QUICKLY);
    for (int round = 0; round < ROUNDS; round++) {
        pair result = run_both(words, words);
        expect_ends(&result);
        pair_free(&result);
        size_t bytes, lines = 0;
        char *text = (char *)workplace_read(csv, &bytes);
        for (size_t i = 0; i < bytes; i++)
            lines += text[i] == '\n';
        assert_int_equal(lines, 4); /* the identity, the names, two points */
        json_t *rows = json_load_file(json, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(rows, "rows")), 2);
        json_decref(rows);
        free(text);
        workplace_expect_entries(place->folder, ".\n..\nmodel\nrows.csv\nrows.json\n");
    }
    free(csv);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(one_output_and_one_scratch),
        IN_A_WORKPLACE(one_progress),
        IN_A_WORKPLACE(one_table),
    };
    return cmocka_run_group_tests_name("two programs", tests, NULL, NULL);
}
