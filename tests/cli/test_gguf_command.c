/* A GGUF file as MODEL does what the folder does whose numbers it holds, and what is written from it is a folder. */
#include "gguf_of_llama.h"

#include "cli/workplace.h"

#include <fcntl.h>
#include <sys/file.h>

/* The bundled model as model.gguf (Q8_0 where rows allow), and `model` with the same numbers. */
static int open_both(void **state) {
    workplace_open(state);
    workplace *place = *state;
    char *tokenizer = pare_path_join(place->model, "tokenizer.json");
    gguf_form form = {.packed = true, .tokenizer = tokenizer};
    pare_model *model;
    assert_int_equal(pare_model_open(place->model, &model), PARE_OK);
    gguf_of_llama(model, place->folder, "model", form);
    char *folder = tiny_folder(), *from = pare_path_join(folder, "model.safetensors");
    gguf_equal_weights(model, folder, form);
    pare_model_close(model);
    size_t bytes;
    unsigned char *data = workplace_read(from, &bytes);
    tiny_write_file(place->model, "model.safetensors", data, bytes);
    tiny_remove(folder);
    free(data);
    free(folder);
    free(from);
    free(tokenizer);
    workplace_write_text(place);
    return 0;
}

#define IN_BOTH(test) cmocka_unit_test_setup_teardown(test, open_both, workplace_close)

#define EXPECT_OK(...) expect_ok((const char *const[]){__VA_ARGS__, NULL})

static char *expect_ok(const char *const *words) {
    program_result result = program_run(words);
    if (result.code) fail_msg("%s %s: exit code %d: %s", words[0], words[1], result.code, result.err);
    free(result.err);
    return result.out;
}

static char *gguf_of(const workplace *place) {
    return pare_path_join(place->folder, "model.gguf");
}

/* Member `name` of two documents is the same. */
static void expect_same_member(const char *one, const char *other, const char *name) {
    json_t *a = json_loads(one, 0, NULL), *b = json_loads(other, 0, NULL);
    json_t *x = json_object_get(a, name), *y = json_object_get(b, name);
    assert_non_null(x);
    if (!json_equal(x, y)) fail_msg("%s: %s and %s", name, json_dumps(x, 0), json_dumps(y, 0));
    json_decref(a);
    json_decref(b);
}

static void evaluation_is_the_folders(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place), *before = workplace_list(place->folder);
    char *here = EXPECT_OK("eval", gguf, "--text", place->text, "--window", "32", "--json", "--quiet");
    char *there = EXPECT_OK("eval", place->model, "--text", place->text, "--window", "32", "--json", "--quiet");
    expect_same_member(here, there, "texts");
    free(here);
    free(there);
    here = EXPECT_OK("generate", gguf, "--prompt", "one day", "--tokens", "8");
    there = EXPECT_OK("generate", place->model, "--prompt", "one day", "--tokens", "8");
    assert_string_equal(here, there);
    workplace_expect_entries(place->folder, before);
    free(here);
    free(there);
    free(before);
    free(gguf);
}

static void inspection_names_types(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place), *text = EXPECT_OK("inspect", gguf, "--tensors", "--json");
    json_t *json = json_loads(text, 0, NULL), *dtypes = json_object_get(json, "dtypes");
    assert_string_equal(json_string_value(json_object_get(json, "model_type")), "llama");
    assert_true(json_integer_value(json_object_get(dtypes, "Q8_0")) > 0);
    assert_true(json_integer_value(json_object_get(dtypes, "F32")) > 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "tokenizer"), "tokens")), 1024);
    json_decref(json);
    free(text);
    free(gguf);
}

static void prunes_to_a_folder(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place), *other = pare_path_join(place->folder, "other");
    free(EXPECT_OK("prune", gguf, "-o", place->output, "--method", "taylor", "--ratio", "0.25", "--calib", place->text,
                   QUICKLY));
    free(EXPECT_OK("prune", place->model, "-o", other, "--method", "taylor", "--ratio", "0.25", "--calib", place->text,
                   QUICKLY));
    char *here = EXPECT_OK("eval", place->output, "--text", place->text, "--window", "32", "--json", "--quiet");
    char *there = EXPECT_OK("eval", other, "--text", place->text, "--window", "32", "--json", "--quiet");
    expect_same_member(here, there, "texts");
    workplace_expect_entries(place->output, ".\n..\nREADME.md\nconfig.json\ngeneration_config.json\nmodel.safetensors\n"
                                            "pruning.json\nrecipe.json\nreport.html\ntokenizer.json\n"
                                            "tokenizer_config.json\n");
    free(here);
    free(there);
    free(other);
    free(gguf);
}

static void recovers_and_compares(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place);
    free(EXPECT_OK("recover", gguf, "-o", place->output, "--data", place->text, "--steps", "2", "--batch", "2",
                   "--cutoff", "32", "--quiet"));
    free(EXPECT_OK("eval", place->output, "--against", gguf, "--text", place->text, "--window", "32", "--quiet"));
    free(EXPECT_OK("robust", gguf, "--perturb", "fp16,noise=0.01", "--methods", "taylor", "--ratio", "0.25", "--calib",
                   place->text, QUICKLY));
    free(EXPECT_OK("prune", gguf, "-o", place->output, "--force", "--method", "wanda", "--sparsity", "0.5", "--calib",
                   place->text, QUICKLY));
    free(gguf);
}

/* Of two folders for the tokenizer's files, the one whose program was killed goes; the other is held by this one. */
static void what_a_killed_run_left_goes(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place), *left = pare_path_join(place->folder, "pare-gguf.pare-0000aa");
    char *held = pare_path_join(place->folder, "pare-gguf.pare-0000bb"), *before;
    assert_int_equal(mkdir(held, 0755), 0);
    int lock = open(held, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    before = workplace_list(place->folder);
    assert_int_equal(mkdir(left, 0755), 0);
    tiny_write_text(left, "tokenizer.json", "{}");
    assert_int_equal(setenv("TMPDIR", place->folder, 1), 0);
    free(EXPECT_OK("generate", gguf, "--prompt", "one day", "--tokens", "1"));
    assert_int_equal(unsetenv("TMPDIR"), 0);
    workplace_expect_entries(place->folder, before);
    close(lock);
    free(before);
    free(held);
    free(left);
    free(gguf);
}

static void its_place_is_not_written(void **state) {
    const workplace *place = *state;
    char *gguf = gguf_of(place), *inside = pare_path_join(place->model, "inside.gguf");
    assert_int_equal(link(gguf, inside), 0);
    EXPECT_NOTHING_LEFT(place, 2, "has inside MODEL", "prune", inside, "-o", place->model, "--force", "--method",
                        "magnitude-l2", "--ratio", "0.25");
    EXPECT_NOTHING_LEFT(place, 2, "is the same as MODEL", "prune", gguf, "-o", gguf, "--force", "--method",
                        "magnitude-l2", "--ratio", "0.25");
    EXPECT_NOTHING_LEFT(place, 1, "give that file itself", "eval", place->folder, "--text", place->text);
    free(gguf);
    free(inside);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_BOTH(evaluation_is_the_folders), IN_BOTH(inspection_names_types),   IN_BOTH(prunes_to_a_folder),
        IN_BOTH(recovers_and_compares),     IN_BOTH(its_place_is_not_written), IN_BOTH(what_a_killed_run_left_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
