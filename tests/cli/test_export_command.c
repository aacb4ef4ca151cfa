/* pare export, convert, and -o OUT.gguf of commands that write models: what is on the disk, what is refused. */
#include "cli/workplace.h"
#include "model/families.h"

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, workplace_open, workplace_close)
#define EXPECT_OK(...) expect_ok((const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_FAILURE(code, part, ...) program_expect_failure(code, part, (const char *const[]){__VA_ARGS__, NULL})

static json_t *expect_ok(const char *const *words) {
    program_result result = program_run(words);
    if (result.code) fail_msg("%s %s: exit code %d: %s", words[0], words[1], result.code, result.err);
    json_t *json = json_loads(result.out, 0, NULL);
    program_result_free(&result);
    assert_non_null(json);
    return json;
}

static const char *kind_of(const json_t *report) {
    return json_string_value(json_object_get(json_object_get(report, "output"), "kind"));
}

static bool begins_as_gguf(const char *path) {
    char magic[4] = {0};
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(magic, 1, sizeof magic, file) : 0;
    if (file) fclose(file);
    return got == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0;
}

/* There and back: the same numbers, to the last bit, under the same names. */
static void a_folder_comes_back(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "model.gguf"), *back = pare_path_join(place->folder, "back");
    json_t *report = EXPECT_OK("export", place->model, "-o", file, "--type", "bf16", "--json", "--quiet");
    assert_string_equal(kind_of(report), "GGUF, architecture llama, bf16");
    assert_true(begins_as_gguf(file));
    json_decref(report);
    json_decref(EXPECT_OK("convert", file, back, "--json", "--quiet"));
    pare_model *a, *b;
    assert_int_equal(pare_model_open(place->model, &a), PARE_OK);
    assert_int_equal(pare_model_open(back, &b), PARE_OK);
    assert_int_equal(a->tensor_count, b->tensor_count);
    for (size_t id = 0; id < a->tensor_count; id++) {
        assert_int_equal(a->tensors[id]->count, b->tensors[id]->count);
        float *x = malloc(a->tensors[id]->count * sizeof *x), *y = malloc(a->tensors[id]->count * sizeof *y);
        pare_tensor_values(a->tensors[id], 0, a->tensors[id]->count, x);
        pare_tensor_values(b->tensors[id], 0, a->tensors[id]->count, y);
        assert_memory_equal(x, y, a->tensors[id]->count * sizeof *x);
        free(x);
        free(y);
    }
    pare_model_close(a);
    pare_model_close(b);
    free(file);
    free(back);
}

static void pruning_writes_a_file(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "small.gguf"), *before;
    json_t *report = EXPECT_OK("prune", place->model, "-o", file, "--ratio", "0.2", "--method", "magnitude-l2",
                               "--type", "q8_0", "--json", "--quiet");
    assert_string_equal(kind_of(report), "GGUF, architecture llama, q8_0");
    assert_true(begins_as_gguf(file));
    const char *note = json_string_value(json_object_get(json_object_get(report, "output"), "note"));
    assert_non_null(note); /* of 307 FFN channels, where blocks have 32 */
    assert_non_null(strstr(note, "--round-to 32 "));
    json_decref(report);
    before = workplace_list(place->folder);
    pare_model *model;
    assert_int_equal(pare_model_open(file, &model), PARE_OK);
    assert_true(model->config.widths[0].ffn > 0);
    pare_model_close(model);
    EXPECT_FAILURE(1, "exists already", "prune", place->model, "-o", file, "--ratio", "0.25", "--method", "random");
    workplace_expect_entries(place->folder, before);
    json_decref(EXPECT_OK("export", place->model, "-o", file, "--force", "--json", "--quiet"));
    workplace_expect_entries(place->folder, before);
    free(before);
    free(file);
}

/* Blocks of Q4_1 have an offset: zeros become small numbers, which is said; in Q4_0 they stay. */
static void zeros_that_are_lost_are_told(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "x.gguf");
    for (int lost = 0; lost < 2; lost++) {
        json_t *report = EXPECT_OK("prune", place->model, "-o", file, "--force", "--method", "magnitude", "--sparsity",
                                   "0.5", "--type", lost ? "q4_1" : "q4_0", "--json", "--quiet");
        const char *note = json_string_value(json_object_get(json_object_get(report, "output"), "note"));
        assert_int_equal(lost, note && strstr(note, "of the model's zeros are none in the file"));
        json_decref(report);
    }
    free(file);
}

/* The repository has the name of the model, not of a file. */
static void the_hub_gets_the_file(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "x.gguf");
    char *line = pare_format("to put it on the Hub: hf upload USER/x %s\n", file);
    program_result result = EXPECT_SUCCESS("export", place->model, "-o", file, "--quiet");
    assert_non_null(strstr(result.out, line));
    program_result_free(&result);
    free(line);
    free(file);
}

/* llama.cpp's Qwen3 has one width for all layers: what would come out otherwise is refused before the first stage. */
static void layers_that_would_differ_are_refused_first(void **state) {
    const workplace *place = *state;
    families all = families_load();
    family_model m = family_open(family_case(&all, "qwen3"), (family_form){0});
    char *file = pare_path_join(place->folder, "x.gguf"), *before = workplace_list(place->folder);
    EXPECT_FAILURE(1, "the same widths in all layers", "prune", m.folder, "-o", file, "--method", "magnitude-l2",
                   "--ratio", "0.25", "--ffn-layers", "0:1");
    EXPECT_FAILURE(1, "or take --select uniform", "prune", m.folder, "-o", file, "--method", "magnitude-l2", "--ratio",
                   "0.25", "--select", "global");
    workplace_expect_entries(place->folder, before);
    json_decref(
        EXPECT_OK("prune", m.folder, "-o", file, "--method", "magnitude-l2", "--ratio", "0.25", "--json", "--quiet"));
    assert_true(begins_as_gguf(file));
    family_close(&m);
    families_free(&all);
    free(before);
    free(file);
}

static void expect_words(const char *folder, const char *const *words) {
    char *path = pare_path_join(folder, "README.md");
    size_t bytes;
    char *card = (char *)workplace_read(path, &bytes);
    for (size_t i = 0; words[i]; i++)
        if (!memmem(card, bytes, words[i], strlen(words[i]))) fail_msg("%s lacks '%s'", path, words[i]);
    free(card);
    free(path);
}

/* A model of the Hub's cache, as a file, and a folder of that again: whose it is goes along. */
static void the_licence_and_the_base_go_along(void **state) {
    const workplace *place = *state;
    char *model = workplace_model_in_a_cache(place), *file = pare_path_join(place->folder, "x.gguf");
    tiny_write_text(model, "README.md", "---\nlicense: llama3.2\nlicense_name: \"two words\"\n---\nOf its author.\n");
    json_decref(EXPECT_OK("prune", model, "-o", file, "--method", "random", "--ratio", "0.25", "--json", "--quiet"));
    json_decref(
        EXPECT_OK("prune", file, "-o", place->output, "--method", "random", "--ratio", "0.25", "--json", "--quiet"));
    expect_words(place->output, (const char *const[]){"---\nlicense: llama3.2\nbase_model: org/tiny\nlibrary_name",
                                                      "Built with Llama.", NULL});
    free(model);
    free(file);
}

static void what_cannot_be_is_refused(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "x.gguf"), *folder = pare_path_join(place->folder, "x");
    char *text = pare_path_join(place->folder, "text.gguf"), *before;
    tiny_write_text(place->folder, "text.gguf", "no model");
    before = workplace_list(place->folder);
    EXPECT_FAILURE(2, "llama-quantize", "export", place->model, "-o", file, "--type", "iq2_xs");
    EXPECT_FAILURE(2, "f32, f16 or bf16", "export", place->model, "-o", folder, "--type", "q8_0");
    EXPECT_FAILURE(2, "-o OUT.gguf is missing", "export", place->model);
    EXPECT_FAILURE(2, "pare convert IN OUT", "convert", place->model);
    EXPECT_FAILURE(2, "is of GGUF files", "prune", place->model, "-o", folder, "--ratio", "0.25", "--method", "random",
                   "--type", "q8_0");
    EXPECT_FAILURE(2, "is of GGUF files", "prune", place->model, "--dry-run", "--ratio", "0.25", "--method", "random",
                   "--type", "q8_0");
    EXPECT_FAILURE(2, "--archive", "prune", place->model, "-o", file, "--sparsity", "0.5", "--method", "magnitude",
                   "--archive");
    EXPECT_FAILURE(2, "--residual-rank 4 writes an adapter into a folder", "prune", place->model, "-o", file,
                   "--sparsity", "0.5", "--method", "wanda", "--calib", "self", "--residual-rank", "4");
    EXPECT_FAILURE(1, "it is no GGUF file", "export", place->model, "-o", text, "--force");
    static const char *const others[] = {"x.bin", "x.safetensors", "x.PTH"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *other = pare_path_join(place->folder, others[i]);
        EXPECT_FAILURE(2, "is a file's name, and a model is written as a folder", "export", place->model, "-o", other);
        EXPECT_FAILURE(2, "is a file's name", "prune", place->model, "-o", other, "--ratio", "0.25", "--method",
                       "random");
        free(other);
    }
    workplace_expect_entries(place->folder, before);
    free(before);
    free(text);
    free(folder);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_PLACE(a_folder_comes_back),
                                       IN_PLACE(pruning_writes_a_file),
                                       IN_PLACE(the_hub_gets_the_file),
                                       IN_PLACE(zeros_that_are_lost_are_told),
                                       IN_PLACE(the_licence_and_the_base_go_along),
                                       IN_PLACE(layers_that_would_differ_are_refused_first),
                                       IN_PLACE(what_cannot_be_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
