/* Whatever form a model comes in, the program does the same with it: pruned models of files of torch and of Meta's
 * format have the bits that the Hugging Face folder's have, the input stays as it is, and what it cannot read it names.
 */
#include "checkpoint/checkpoint.h"
#include "cli/workplace.h"

#define DATA PARE_SOURCE_DIR "/tests/data/pytorch/"

enum { RUNS = 6, WORDS = 8 };

static const char *const runs[RUNS][WORDS] = {
    {"--method", "random", "--ratio", "0.5"},
    {"--method", "magnitude-l2", "--sparsity", "0.5"},
    {"--method", "taylor", "--ratio", "0.5"},
    {"--method", "sparsegpt", "--sparsity", "0.5"},
    {"--method", "flap", "--ratio", "0.5", "--compensate", "bias"},
    {"--method", "random", "--ratio", "0.5", "--compensate", "ls"},
};

static char *folder, *ids;

static int begin(void **state) {
    (void)state;
    folder = tiny_folder();
    ids = pare_path_join(folder, "ids.json");
    FILE *file = fopen(ids, "w");
    assert_non_null(file);
    for (int i = 0; i < 8; i++) {
        fputs(i ? ",[" : "[[", file);
        for (int k = 0; k < 32; k++)
            fprintf(file, "%s%d", k ? "," : "", (7 * i + 13 * k + k * k) % 32);
        fputs("]", file);
    }
    fputs("]\n", file);
    assert_int_equal(fclose(file), 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    tiny_remove(folder);
    free(folder);
    free(ids);
    return 0;
}

/* The folder that the run leaves of the model; freed with free(). */
static char *prune(const char *model, int run, const char *name) {
    char *out = pare_path_join(folder, name);
    const char *words[24] = {"prune",   model, "-o",        out, "--force",    "--quiet",
                             "--calib", ids,   "--threads", "1", "--no-report"};
    size_t count = 11;
    for (int i = 0; i < WORDS && runs[run][i]; i++)
        words[count++] = runs[run][i];
    program_result result = program_expect_success(words);
    program_result_free(&result);
    return out;
}

static void expect_same_model(const char *expected, const char *found) {
    pare_checkpoint *one, *other;
    assert_int_equal(pare_checkpoint_open(expected, &one), PARE_OK);
    assert_int_equal(pare_checkpoint_open(found, &other), PARE_OK);
    assert_non_null(strstr(pare_checkpoint_file(other, 0), "model.safetensors"));
    assert_int_equal(pare_checkpoint_count(one), pare_checkpoint_count(other));
    for (size_t i = 0; i < pare_checkpoint_count(one); i++) {
        const pare_tensor *a = pare_checkpoint_at(one, i), *b = pare_checkpoint_find(other, a->name);
        assert_non_null(b);
        assert_int_equal(a->bytes, b->bytes);
        if (memcmp(a->data, b->data, a->bytes) != 0) fail_msg("%s of %s differs", a->name, found);
    }
    pare_checkpoint_close(one);
    pare_checkpoint_close(other);
}

static void every_form_is_pruned_alike(void **state) {
    (void)state;
    static const char *const forms[] = {DATA "zip", DATA "legacy/pytorch_model.bin", DATA "sharded", DATA "meta1",
                                        DATA "meta2"};
    for (int run = 0; run < RUNS; run++) {
        char *expected = prune(DATA "HF", run, "expected");
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            char *found = prune(forms[i], run, "found");
            expect_same_model(expected, found);
            free(found);
        }
        free(expected);
    }
}

/* What is written has a config.json, whether or not the input had one. */
static void metas_output_is_a_hugging_face_folder(void **state) {
    (void)state;
    char *out = prune(DATA "meta2", 0, "written"), *config = pare_path_join(out, "config.json");
    json_t *json = json_load_file(config, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "model_type")), "llama");
    assert_string_equal(json_string_value(json_object_get(json, "torch_dtype")), "bfloat16");
    assert_int_equal(json_integer_value(json_object_get(json, "vocab_size")), 32);
    assert_int_equal(json_integer_value(json_object_get(json, "max_position_embeddings")), 4096);
    assert_true(json_is_false(json_object_get(json, "tie_word_embeddings")));
    json_decref(json);
    free(config);
    free(out);
}

static void perturbed_weights_are_the_same(void **state) {
    (void)state;
    static const char *const forms[] = {DATA "HF", DATA "zip", DATA "meta2"};
    char *tables[3];
    for (int i = 0; i < 3; i++) {
        program_result result =
            EXPECT_SUCCESS("robust", forms[i], "--perturb", "bf16,noise=1e-2", "--ratio", "0.5", "--methods", "taylor",
                           "--calib", ids, "--quiet", "--threads", "1", "--json");
        json_t *json = json_loads(result.out, 0, NULL);
        tables[i] = json_dumps(json_object_get(json, "comparisons"), JSON_SORT_KEYS);
        assert_non_null(tables[i]);
        json_decref(json);
        program_result_free(&result);
    }
    for (int i = 1; i < 3; i++)
        assert_string_equal(tables[0], tables[i]);
    for (int i = 0; i < 3; i++)
        free(tables[i]);
}

static void shows_what_is_in_a_file(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("inspect", DATA "kinds/zip.pt");
    assert_non_null(strstr(result.out, "double.transposed  [10, 6]    F32"));
    assert_non_null(strstr(result.out, "no config.json beside it"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", DATA "meta2");
    assert_non_null(strstr(result.out, "consolidated.00.pth"));
    assert_non_null(strstr(result.out, "consolidated.01.pth"));
    program_result_free(&result);
}

static void a_pickle_that_would_run_something_is_refused(void **state) {
    (void)state;
    static const char pickle[] = "\x80\x02"
                                 "cposix\nsystem\nX\4\0\0\0true\x85R.";
    char *model = pare_path_join(folder, "hostile"), *out = pare_path_join(folder, "none");
    assert_int_equal(mkdir(model, 0755), 0);
    static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20,
                                          0x6a, 0xa8, 0x50, 0x19, '.',  0x80, 2,    'M',  0xe9, 3,
                                          '.',  0x80, 2,    '}',  'X',  13,   0,    0,    0};
    char file[256];
    size_t bytes = 0;
    memcpy(file, magic, sizeof magic);
    bytes = sizeof magic;
    memcpy(file + bytes, "little_endian\x88s.", 16);
    bytes += 16;
    memcpy(file + bytes, pickle, sizeof pickle - 1);
    bytes += sizeof pickle - 1;
    tiny_write_file(model, "pytorch_model.bin", file, bytes);
    workplace_copy_file(model, "config.json");
    EXPECT_FAILURE(1, "asks for posix.system", "prune", model, "-o", out, "--ratio", "0.5", "--method", "random");
    assert_false(pare_file_exists(out));
    free(model);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_pruned_alike),
        cmocka_unit_test(metas_output_is_a_hugging_face_folder),
        cmocka_unit_test(perturbed_weights_are_the_same),
        cmocka_unit_test(shows_what_is_in_a_file),
        cmocka_unit_test(a_pickle_that_would_run_something_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
