/* pare imatrix, --imatrix, and importance matrices in place of calibration text: what is on the disk, what is refused.
 */
#include "checkpoint/imatrix.h"
#include "cli/workplace.h"
#include "model/families.h"

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})
#define TEXT "--calib", place->text, "--samples", "4", "--length", "32"

static void run(const char *const *words) {
    program_result result = program_expect_success(words);
    program_result_free(&result);
}

/* Every matrix of the GGUF file's blocks, and its head, has an entry of its width, and nothing else has. */
static void expect_matrices_of(const char *imatrix, const char *model) {
    pare_imatrix_file file;
    pare_gguf gguf;
    size_t matrices = 0;
    if (pare_imatrix_open(imatrix, &file) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_gguf_open(model, &gguf), PARE_OK);
    for (size_t i = 0; i < gguf.tensor_count; i++) {
        const pare_gguf_tensor *tensor = &gguf.tensors[i];
        bool reads = strncmp(tensor->name, "blk.", 4) == 0 || strcmp(tensor->name, "output.weight") == 0;
        if (tensor->rank != 2 || !reads) continue;
        int64_t width = (int64_t)tensor->shape[1];
        double *sums = calloc((size_t)width, sizeof *sums), tokens;
        if (pare_imatrix_take(&file, tensor->name, width, sums, &tokens) != PARE_OK) fail_msg("%s", pare_message());
        assert_true(fabs(tokens - 128) < 0.5);
        matrices++;
        free(sums);
    }
    assert_int_equal(file.count, matrices);
    assert_true(matrices > 8);
    pare_gguf_close(&gguf);
    pare_imatrix_close(&file);
}

/* Of units: the very model. */
static void units_go_as_by_text(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "m.imatrix"), *other = pare_path_join(place->folder, "other");
    workplace_write_text(place);
    RUN("imatrix", place->model, "-o", file, TEXT, "--quiet");
    RUN("prune", place->model, "-o", place->output, "--method", "wanda-structured", "--ratio", "0.3", TEXT,
        "--calib-stream", "--quiet");
    RUN("prune", place->model, "-o", other, "--method", "wanda-structured", "--ratio", "0.3", "--calib", file,
        "--quiet");
    workplace_expect_same_file(place->output, other, "model.safetensors");
    free(file);
    free(other);
}

static size_t zeros_apart(const char *one, const char *other, size_t *count) {
    pare_model *a, *b;
    size_t apart = 0;
    *count = 0;
    assert_int_equal(pare_model_open(one, &a), PARE_OK);
    assert_int_equal(pare_model_open(other, &b), PARE_OK);
    for (size_t id = 0; id < a->tensor_count; id++) {
        size_t n = (size_t)a->tensors[id]->count;
        float *x = calloc(n + 1, sizeof *x), *y = calloc(n + 1, sizeof *y);
        pare_tensor_values(a->tensors[id], 0, n, x);
        pare_tensor_values(b->tensors[id], 0, n, y);
        for (size_t i = 0; i < n; i++)
            apart += (fabsf(x[i]) > 0) != (fabsf(y[i]) > 0);
        *count += n;
        free(x);
        free(y);
    }
    pare_model_close(a);
    pare_model_close(b);
    return apart;
}

/* Sums are rounded to fp32 in the file, which may turn a tie: fewer than one in a thousand. */
static void weights_go_as_by_text(void **state) {
    const workplace *place = *state;
    static const char *const methods[] = {"wanda", "ria", "wanda-owl"};
    char *file = pare_path_join(place->folder, "m.imatrix"), *other = pare_path_join(place->folder, "other");
    workplace_write_text(place);
    RUN("imatrix", place->model, "-o", file, TEXT, "--quiet");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        size_t count;
        RUN("prune", place->model, "-o", place->output, "--method", methods[i], "--sparsity", "0.5", TEXT,
            "--dense-propagation", "--quiet", "--force");
        RUN("prune", place->model, "-o", other, "--method", methods[i], "--sparsity", "0.5", "--calib", file, "--quiet",
            "--force");
        size_t apart = zeros_apart(place->output, other, &count);
        if (apart * 1000 >= count) fail_msg("%s: %zu of %zu", methods[i], apart, count);
    }
    free(file);
    free(other);
}

/* Whatever the method, the widths of layers, and the form: of what was written. */
static void what_is_left_is_measured(void **state) {
    const workplace *place = *state;
    static const char *const ways[][5] = {
        {"--method", "wanda-structured", "--ratio", "0.3"},
        {"--method", "magnitude-l2", "--ratio", "0.3"},
        {"--method", "magnitude-l2", "--ratio", "0.3", "--select=global"},
        {"--method", "wanda", "--sparsity", "0.5"},
        {"--drop-layers", "1"},
    };
    char *file = pare_path_join(place->folder, "m.imatrix"), *model = pare_path_join(place->folder, "out.gguf");
    workplace_write_text(place);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *const *w = ways[i];
        RUN("prune", place->model, "-o", model, "--imatrix", file, TEXT, "--quiet", "--force", w[0], w[1], w[2], w[3],
            w[4]);
        expect_matrices_of(file, model);
    }
    free(file);
    free(model);
}

/* A recovery leaves another model, which is the one that is measured: as pare imatrix measures it later. */
static void what_was_trained_is_measured(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "m.imatrix"), *later = pare_path_join(place->folder, "later.imatrix");
    workplace_write_text(place);
    RUN("prune", place->model, "-o", place->output, "--method", "magnitude-l2", "--ratio", "0.3", TEXT,
        "--calib-stream", "--imatrix", file, "--recover", place->text, "--train-steps", "3", "--quiet");
    RUN("imatrix", place->output, "-o", later, TEXT, "--quiet");
    size_t bytes[2];
    unsigned char *a = workplace_read(file, &bytes[0]), *b = workplace_read(later, &bytes[1]);
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(a, b, bytes[0]);
    free(a);
    free(b);
    free(file);
    free(later);
}

static void the_report_says_what_it_was(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "m.imatrix");
    workplace_write_text(place);
    RUN("imatrix", place->model, "-o", file, TEXT, "--quiet", "--json");
    program_result result =
        program_expect_success((const char *const[]){"prune", place->model, "--dry-run", "--method", "wanda",
                                                     "--sparsity", "0.5", "--calib", file, "--json", "--quiet", NULL});
    json_t *json = json_loads(result.out, 0, NULL), *calibration = json_object_get(json, "calibration");
    assert_true(json_is_true(json_object_get(calibration, "imatrix")));
    assert_int_equal(json_integer_value(json_object_get(calibration, "sequences")), 4);
    assert_int_equal(json_integer_value(json_object_get(calibration, "length")), 32);
    assert_int_equal(strlen(json_string_value(json_object_get(calibration, "sha256"))), 64);
    json_decref(json);
    program_result_free(&result);
    free(file);
}

/* The same names and shapes, other bits, and what llama-quantize says of it. */
static void blocks_are_weighed(void **state) {
    const workplace *place = *state;
    static const char *const types[] = {"q4_0", "q5_1", "q4_1", "q4_k_m"};
    char *file = pare_path_join(place->folder, "m.imatrix"), *plain = pare_path_join(place->folder, "plain.gguf");
    char *weighed = pare_path_join(place->folder, "weighed.gguf");
    workplace_write_text(place);
    RUN("imatrix", place->model, "-o", file, TEXT, "--quiet");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        pare_gguf a, b;
        size_t other = 0, matrices = 0;
        char *dataset;
        RUN("export", place->model, "-o", plain, "--type", types[i], "--quiet", "--force");
        RUN("convert", place->model, weighed, "--type", types[i], "--importance", file, "--quiet", "--force");
        assert_int_equal(pare_gguf_open(plain, &a), PARE_OK);
        assert_int_equal(pare_gguf_open(weighed, &b), PARE_OK);
        assert_int_equal(a.tensor_count, b.tensor_count);
        for (size_t t = 0; t < a.tensor_count; t++) {
            assert_string_equal(a.tensors[t].name, b.tensors[t].name);
            assert_string_equal(a.tensors[t].type->name, b.tensors[t].type->name);
            bool same = memcmp(a.tensors[t].data, b.tensors[t].data, a.tensors[t].bytes) == 0;
            bool matrix = strncmp(a.tensors[t].name, "blk.", 4) == 0 && a.tensors[t].type->weighed;
            if (!matrix && !same && strcmp(a.tensors[t].name, "output.weight") != 0)
                fail_msg("%s has other bits", a.tensors[t].name);
            other += matrix && !same;
            matrices += matrix;
        }
        assert_int_equal(other, matrices);
        assert_true(matrices > 8);
        assert_int_equal(pare_gguf_string(&b, "quantize.imatrix.dataset", &dataset), PARE_OK);
        assert_string_equal(dataset, place->text);
        free(dataset);
        pare_gguf_close(&a);
        pare_gguf_close(&b);
    }
    free(file);
    free(plain);
    free(weighed);
}

static void refusals(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "m.imatrix"), *out = pare_path_join(place->folder, "new.gguf");
    char *gguf = pare_path_join(place->folder, "model.gguf");
    static const char *const rows[][5] = {
        {"taylor", "--ratio", "0.3", "taylor needs gradients", NULL},
        {"flap", "--ratio", "0.3", "flap needs Gram matrices, or means, of inputs", NULL},
        {"layer-influence", "--ratio", "0.5", "hidden states between layers", NULL},
        {"sparsegpt", "--sparsity", "0.5", "sparsegpt needs Gram matrices of inputs", NULL},
        {"symwanda", "--sparsity", "0.5", "symwanda needs norms of outputs", NULL},
        {"wanda", "--sparsity", "0.5", "wanda needs means and variances of inputs", "--refine=dsnot"},
        {"loraprune", "--ratio", "0.3", "loraprune needs examples to train on", NULL},
        {"best", "--ratio", "0.3", "best needs Gram matrices", NULL},
        {"gates", "--ratio", "0.3", "gates needs text to train gates on", "--compensate=none"},
        {"wanda-structured", "--ratio", "0.3", "text to train blocks on", "--reconstruct=5"},
        {"wanda", "--sparsity", "0.5", "wanda needs Gram matrices", "--compensate=ls"},
        {"wanda", "--pattern", "2:4", "permuted model", "--permute=allocate"},
        {"wanda", "--sparsity", "0.5", "measured already", "--samples=4"},
        {"wanda-structured", "--ratio", "0.3", "--iterations goes on from a smaller one", "--iterations=2"},
        {"wanda-structured", "--ratio", "0.3", "--drop-layers goes on from a smaller one", "--drop-layers=1"},
    };
    workplace_write_text(place);
    RUN("imatrix", place->model, "-o", file, TEXT, "--quiet");
    RUN("export", place->model, "-o", gguf, "--quiet");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *r = rows[i];
        EXPECT_NOTHING_LEFT(place, 2, r[3], "prune", place->model, "-o", place->output, "--method", r[0], r[1], r[2],
                            "--calib", file, r[4]);
    }
    EXPECT_NOTHING_LEFT(place, 2, "general.type is model", "prune", place->model, "-o", place->output, "--method",
                        "wanda", "--sparsity", "0.5", "--calib", gguf);
    EXPECT_NOTHING_LEFT(place, 2, "measured on text", "prune", place->model, "-o", place->output, "--method", "wanda",
                        "--sparsity", "0.5", "--calib", file, "--imatrix", out);
    EXPECT_NOTHING_LEFT(place, 2, "leave out --dry-run", "prune", place->model, "--dry-run", "--ratio", "0.3",
                        "--imatrix", out);
    EXPECT_NOTHING_LEFT(place, 2, "--imatrix", "prune", place->model, "-o", place->output, "--ratio", "0.3", "--calib",
                        place->text, "--imatrix", place->text);
    EXPECT_NOTHING_LEFT(place, 2, "matrix of one model", "robust", place->model, "--methods", "wanda-structured",
                        "--calib", file);
    EXPECT_NOTHING_LEFT(place, 2, "changes nothing in q8_0", "export", place->model, "-o", out, "--type", "q8_0",
                        "--importance", file);
    EXPECT_NOTHING_LEFT(place, 2, "weighs the blocks of a GGUF file", "export", place->model, "-o", place->output,
                        "--importance", file);
    EXPECT_NOTHING_LEFT(place, 2, "general.type is model", "export", place->model, "-o", out, "--type", "q4_0",
                        "--importance", gguf);
    EXPECT_NOTHING_LEFT(place, 1, "does not begin with GGUF", "export", place->model, "-o", out, "--type", "q4_0",
                        "--importance", place->text);
    EXPECT_NOTHING_LEFT(place, 2, "text is read here", "imatrix", place->model, "-o", out, "--calib", file);
    EXPECT_NOTHING_LEFT(place, 2, "-o FILE.gguf is missing", "imatrix", place->model);
    EXPECT_NOTHING_LEFT(place, 2, "MODEL is missing", "imatrix", "-o", out);
    EXPECT_NOTHING_LEFT(place, 1, "there is no folder", "imatrix", place->model, "-o", "/nowhere/at/all.gguf");
    EXPECT_NOTHING_LEFT(place, 1, "cannot be written as GGUF", "imatrix", PARE_SOURCE_DIR "/examples/vit-digits", "-o",
                        out);
    free(file);
    free(out);
    free(gguf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(units_go_as_by_text),
        IN_A_WORKPLACE(weights_go_as_by_text),
        IN_A_WORKPLACE(what_is_left_is_measured),
        IN_A_WORKPLACE(what_was_trained_is_measured),
        IN_A_WORKPLACE(the_report_says_what_it_was),
        IN_A_WORKPLACE(blocks_are_weighed),
        IN_A_WORKPLACE(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
