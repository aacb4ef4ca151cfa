/* Importance matrices of models with experts, against what torch sees enter each of them (tests/data/
 * imatrix_experts.json), and blocks that are weighed by them. */
#include "evaluate/imatrix.h"
#include "model/families.h"
#include "support/memory.h"
#include "surgery/gguf_export.h"

#define GOLDEN PARE_SOURCE_DIR "/tests/data/imatrix_experts.json"

/* fp32 against fp64, through layers of fp32. */
static const double bound = 1e-4;

static const pare_runtime alone = {.size = sizeof alone, .threads = 1};

/* Of the model over all ids, as a file in the model's folder; *path is freed with free(). */
static void measure(const families *all, const family_model *m, char **path) {
    pare_windows windows = {.ids = all->ids, .count = FAMILY_SEQUENCES, .length = FAMILY_LENGTH};
    pare_backend *backend;
    pare_gguf_metadata image;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    pare_evaluation evaluation = {.model = m->model, .backend = backend, .windows = &windows, .name = "ids.json"};
    if (pare_imatrix_measure(&evaluation, &image) != PARE_OK) fail_msg("%s", pare_message());
    tiny_write_file(m->folder, "x.imatrix.gguf", image.bytes, image.size);
    pare_gguf_metadata_free(&image);
    pare_backend_close(backend);
    *path = pare_path_join(m->folder, "x.imatrix.gguf");
}

static void compare(const pare_imatrix_file *file, const char *of, const char *name, const json_t *row) {
    uint32_t experts = (uint32_t)json_integer_value(json_array_get(row, 0));
    size_t width = (size_t)json_integer_value(json_array_get(row, 1));
    double *sums = calloc(experts * width, sizeof *sums), tokens, total = 0, dot = 0, wanted[4];
    for (size_t i = 0; i < 4; i++)
        wanted[i] = json_number_value(json_array_get(row, 3 + i));
    for (uint32_t e = 0; e < experts; e++) {
        if (pare_imatrix_take_one(file, name, experts, e, (int64_t)width, sums + e * width, &tokens) != PARE_OK)
            fail_msg("%s: %s", of, pare_message());
        assert_int_equal((int)tokens, json_integer_value(json_array_get(json_array_get(row, 2), e)));
    }
    for (size_t i = 0; i < experts * width; i++) {
        total += sums[i];
        dot += sums[i] * (double)counted(family_stream(name), (uint32_t)i);
    }
    double worst = fmax(fabs(total - wanted[0]), fabs(dot - wanted[1]));
    worst = fmax(worst, fmax(fabs(sums[0] - wanted[2]), fabs(sums[experts * width - 1] - wanted[3])));
    if (!(worst <= bound * wanted[0])) fail_msg("%s, %s: apart by %g of %g", of, name, worst, wanted[0]);
    free(sums);
}

/* What all experts see is what their router does, as often as a token chooses; it is in the file, too. */
static void expect_router(const pare_imatrix_file *file, const pare_model *model, uint32_t layer) {
    const pare_experts *experts = &model->config.experts;
    const uint32_t d = model->config.hidden;
    double *sums = calloc(d, sizeof *sums), *one = calloc(d, sizeof *one), tokens, seen = 0, all = 0, apart = 0;
    char name[64];
    snprintf(name, sizeof name, "blk.%u.ffn_gate_inp.weight", layer);
    assert_int_equal(pare_imatrix_take(file, name, d, sums, &tokens), PARE_OK);
    assert_int_equal((int)tokens, FAMILY_TOKENS);
    snprintf(name, sizeof name, "blk.%u.ffn_gate_exps.weight", layer);
    for (uint32_t i = 0; i < d; i++)
        all += sums[i] *= experts->chosen;
    for (uint32_t e = 0; e < experts->count; e++) {
        assert_int_equal(pare_imatrix_take_one(file, name, experts->count, e, d, one, &tokens), PARE_OK);
        seen += tokens;
        for (uint32_t i = 0; i < d; i++)
            sums[i] -= one[i];
    }
    for (uint32_t i = 0; i < d; i++)
        apart += fabs(sums[i]);
    assert_true(apart <= 1e-5 * all);
    assert_int_equal((int)seen, FAMILY_TOKENS * (int)experts->chosen);
    free(sums);
    free(one);
}

static void sums_are_those_of_torch(void **state) {
    (void)state;
    families all = families_load_from(EXPERTS_GOLDEN);
    json_t *golden = load_json(GOLDEN), *rows, *row;
    const char *name, *tensor;
    size_t cases = 0;
    json_object_foreach(golden, name, rows) {
        family_model m = family_open(family_case(&all, name), (family_form){0});
        pare_imatrix_file file;
        char *path;
        measure(&all, &m, &path);
        if (pare_imatrix_open(path, &file) != PARE_OK) fail_msg("%s: %s", name, pare_message());
        json_object_foreach(rows, tensor, row) compare(&file, name, tensor, row);
        for (uint32_t layer = 0; layer < m.model->config.layers; layer++)
            if (m.model->config.plan[layer].routed) expect_router(&file, m.model, layer);
        pare_imatrix_close(&file);
        free(path);
        family_close(&m);
        cases++;
    }
    assert_in_range(cases, 6, 20);
    json_decref(golden);
    families_free(&all);
}

static const pare_gguf_tensor *find(const pare_gguf *file, const char *name) {
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* The tokens of one expert of the tensor become none. */
static void forget(const char *path, const char *name, uint32_t expert) {
    char *bytes, *counts = pare_format("%s.counts", name), *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    size_t size;
    pare_gguf file;
    assert_int_equal(pare_gguf_open(path, &file), PARE_OK);
    size_t at = (size_t)(find(&file, counts)->data - file.mapping.data) + expert * sizeof(float);
    pare_gguf_close(&file);
    assert_int_equal(pare_file_read(path, 1 << 26, &bytes, &size), PARE_OK);
    memset(bytes + at, 0, sizeof(float));
    tiny_write_file(folder, strrchr(path, '/') + 1, bytes, size);
    pare_free(bytes);
    free(counts);
    free(folder);
}

/* Blocks of each expert are fitted with the mean squares of its own inputs; of one that saw nothing, with ones. */
static void blocks_are_weighed_by_expert(void **state) {
    (void)state;
    static const char name[] = "blk.1.ffn_up_exps.weight";
    enum { NONE = 2 };
    families all = families_load_from(EXPERTS_GOLDEN);
    family_model m = family_open(family_case(&all, "mixtral"), (family_form){0});
    const uint32_t experts = m.model->config.experts.count, rows = m.model->config.experts.width;
    const size_t d = m.model->config.hidden;
    char *path, *output = pare_path_join(m.folder, "q.gguf"), part[128];
    pare_imatrix_file imatrix;
    pare_gguf file;
    pare_gguf_exported said;
    measure(&all, &m, &path);
    forget(path, name, NONE);
    assert_int_equal(pare_imatrix_open(path, &imatrix), PARE_OK);
    pare_gguf_export what = {.name = "tiny", .imatrix = &imatrix};
    assert_int_equal(pare_gguf_form_find("q4_0", &what.form), PARE_OK);
    if (pare_gguf_export_write(m.model, &what, output, &alone, &said) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_gguf_open(output, &file), PARE_OK);
    const pare_gguf_tensor *tensor = find(&file, name);
    assert_string_equal(tensor->type->name, "Q4_0");
    const size_t row_bytes = d / tensor->type->elements * tensor->type->bytes;
    float *values = calloc(d, sizeof *values), *weights = calloc(d, sizeof *weights);
    double *squares = calloc(d, sizeof *squares), tokens;
    unsigned char *blocks = calloc(1, row_bytes);
    for (uint32_t at = 0; at < experts * rows; at++) {
        uint32_t e = at / rows;
        assert_int_equal(pare_imatrix_take_one(&imatrix, name, experts, e, (int64_t)d, squares, &tokens), PARE_OK);
        assert_true((tokens > 0) == (e != NONE));
        snprintf(part, sizeof part, "model.layers.1.block_sparse_moe.experts.%u.w3.weight", e);
        for (size_t i = 0; i < d; i++) {
            values[i] = family_weight(part, 2, (uint32_t)(at % rows * d + i));
            weights[i] = e == NONE ? 1 : (float)squares[i] / (float)tokens;
        }
        tensor->type->weighed(values, weights, d / tensor->type->elements, blocks);
        if (memcmp(blocks, tensor->data + at * row_bytes, row_bytes) != 0)
            fail_msg("row %u of expert %u", at % rows, e);
    }
    free(values);
    free(weights);
    free(squares);
    free(blocks);
    pare_gguf_close(&file);
    pare_imatrix_close(&imatrix);
    free(output);
    free(path);
    family_close(&m);
    families_free(&all);
}

/* Of models that attend over latents, there is no such input: llama.cpp multiplies others. */
static void latents_are_refused(void **state) {
    (void)state;
    families all = families_load_from(EXPERTS_GOLDEN);
    family_model m = family_open(family_case(&all, "deepseek_v3"), (family_form){0});
    const pare_imatrix_file some = {.path = "x"};
    pare_gguf_export what = {.name = "tiny", .imatrix = &some};
    pare_gguf_exported said;
    uint64_t bytes;
    assert_int_equal(pare_gguf_form_find("q4_0", &what.form), PARE_OK);
    assert_int_equal(pare_gguf_export_need(m.model, &what, &bytes, &said), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "latents"));
    family_close(&m);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_are_those_of_torch),
                                       cmocka_unit_test(blocks_are_weighed_by_expert),
                                       cmocka_unit_test(latents_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
