/* Importance matrices that are measured, against what torch's hooks see of the same models, by the names that the gguf
 * package has for the tensors (tests/data/imatrix.json). */
#include "calibrate/imatrix.h"
#include "evaluate/imatrix.h"
#include "model/families.h"
#include "model/gguf_target.h"
#include "support/memory.h"

#define GOLDEN PARE_SOURCE_DIR "/tests/data/imatrix.json"

/* fp32 against fp64, through layers of fp32. */
static const double bound = 1e-4;

typedef struct place {
    families all;
    json_t *golden;
    pare_backend *backend;
    char *folder, *path;
} place;

static int open_place(void **state) {
    place *p = calloc(1, sizeof *p);
    p->all = families_load();
    p->golden = load_json(GOLDEN);
    p->folder = tiny_folder();
    p->path = pare_path_join(p->folder, "model.imatrix.gguf");
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 2, &p->backend), PARE_OK);
    *state = p;
    return 0;
}

static int close_place(void **state) {
    place *p = *state;
    pare_backend_close(p->backend);
    families_free(&p->all);
    json_decref(p->golden);
    tiny_remove(p->folder);
    free(p->folder);
    free(p->path);
    free(p);
    return 0;
}

/* Of the model over the first sequences, to p->path. */
static void measure(const place *p, const pare_model *model, uint32_t sequences) {
    pare_windows windows = {.ids = p->all.ids, .count = sequences, .length = FAMILY_LENGTH};
    pare_evaluation evaluation = {.model = model, .backend = p->backend, .windows = &windows, .name = "ids.json"};
    pare_gguf_metadata image;
    if (pare_imatrix_measure(&evaluation, &image) != PARE_OK) fail_msg("%s", pare_message());
    tiny_write_file(p->folder, "model.imatrix.gguf", image.bytes, image.size);
    pare_gguf_metadata_free(&image);
}

static double nth(const json_t *row, size_t index) {
    return json_number_value(json_array_get(row, index));
}

static void compare_entry(const pare_imatrix_file *file, const char *of, const char *name, const json_t *row) {
    int64_t width = (int64_t)json_integer_value(json_array_get(row, 0));
    double *sums = calloc((size_t)width, sizeof *sums), tokens, total = 0, dot = 0, all = nth(row, 1);
    if (pare_imatrix_take(file, name, width, sums, &tokens) != PARE_OK) fail_msg("%s: %s", of, pare_message());
    for (int64_t i = 0; i < width; i++) {
        total += sums[i];
        dot += sums[i] * (double)counted(family_stream(name), (uint32_t)i);
    }
    assert_true(fabs(tokens - FAMILY_TOKENS) < 0.5);
    double worst = fmax(fabs(total - all), fabs(dot - nth(row, 2)));
    worst = fmax(worst, fmax(fabs(sums[0] - nth(row, 3)), fabs(sums[width - 1] - nth(row, 4))));
    if (!(worst <= bound * all)) fail_msg("%s, %s: apart by %g of %g", of, name, worst, all);
    free(sums);
}

/* Fused matrices, heads that are stored in pairs, other names, heads that are the embedding: nothing more, and nothing
 * less, than what the other side has. */
static void sums_are_those_of_torch(void **state) {
    const place *p = *state;
    const char *name, *tensor;
    json_t *rows, *row;
    size_t cases = 0;
    json_object_foreach(p->golden, name, rows) {
        family_model m = family_open(family_case(&p->all, name), (family_form){0});
        pare_imatrix_file file;
        pare_gguf_target held;
        if (pare_gguf_target_find(&m.model->config, name, &held) != PARE_OK) { /* pare writes no such file */
            family_close(&m);
            continue;
        }
        measure(p, m.model, FAMILY_SEQUENCES);
        if (pare_imatrix_open(p->path, &file) != PARE_OK) fail_msg("%s: %s", name, pare_message());
        if (file.count != json_object_size(rows))
            fail_msg("%s: %zu entries for %zu", name, file.count, json_object_size(rows));
        json_object_foreach(rows, tensor, row) compare_entry(&file, name, tensor, row);
        assert_int_equal(file.chunks, FAMILY_SEQUENCES);
        assert_int_equal(file.chunk_length, FAMILY_LENGTH);
        pare_imatrix_close(&file);
        family_close(&m);
        cases++;
    }
    assert_in_range(cases, 15, 40);
}

/* What a file says of a model is what a pass over the same ids would have shown it, rounded to fp32. */
static void norms_come_back(void **state) {
    const place *p = *state;
    static const char *const names[] = {"llama", "phi3", "gemma"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        family_model m = family_open(family_case(&p->all, names[i]), (family_form){0});
        pare_input_norms seen, read;
        pare_imatrix_file file;
        pare_source source = {.model = m.model, .backend = p->backend};
        pare_pass_shape shape = {.sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH};
        pare_pass *pass;
        assert_int_equal(pare_input_norms_new(m.model, p->backend, false, &seen), PARE_OK);
        assert_int_equal(pare_pass_new(m.model, p->backend, &shape, &pass), PARE_OK);
        pare_pass_observe(pass, &seen.observer);
        assert_int_equal(pare_pass_forward(pass, &source, p->all.ids, FAMILY_SEQUENCES), PARE_OK);
        pare_pass_free(pass);
        measure(p, m.model, FAMILY_SEQUENCES);
        assert_int_equal(pare_imatrix_open(p->path, &file), PARE_OK);
        if (pare_imatrix_norms(&file, m.model, NULL, &read) != PARE_OK) fail_msg("%s: %s", names[i], pare_message());
        assert_int_equal(read.tokens, seen.tokens);
        assert_int_equal(read.sequences, FAMILY_SEQUENCES);
        for (uint32_t layer = 0; layer < m.model->config.layers; layer++)
            for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
                for (int64_t j = 0; j < pare_input_width(m.model, layer, (pare_input_kind)kind); j++) {
                    double a = seen.squares[layer][kind][j], b = read.squares[layer][kind][j];
                    assert_true(a > 0.0 && fabs(a - b) <= 0x1p-24 * a);
                }
        pare_input_norms_free(&seen);
        pare_input_norms_free(&read);
        pare_imatrix_close(&file);
        family_close(&m);
    }
}

/* A file of one model does not do for another, and matrices of the same inputs cannot have seen different ones. */
static void what_is_of_another_model_is_refused(void **state) {
    const place *p = *state;
    family_model llama = family_open(family_case(&p->all, "llama"), (family_form){0});
    family_model other = family_open(family_case(&p->all, "llama one key head of 10"), (family_form){0});
    family_model fused = family_open(family_case(&p->all, "phi3"), (family_form){0});
    pare_input_norms norms;
    pare_imatrix_file file;
    measure(p, llama.model, 1);
    assert_int_equal(pare_imatrix_open(p->path, &file), PARE_OK);
    assert_int_equal(pare_imatrix_norms(&file, other.model, NULL, &norms), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "blk.0.attn_q.weight has 32 inputs, and the model's has 24"));
    assert_int_equal(pare_imatrix_norms(&file, fused.model, NULL, &norms), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "has no sums for blk.0.attn_qkv.weight"));
    bool *none = calloc(llama.model->tensor_count, sizeof *none);
    assert_int_equal(pare_imatrix_norms(&file, other.model, none, &norms), PARE_OK); /* nothing of it is needed */
    pare_input_norms_free(&norms);
    free(none);
    for (size_t i = 0; i < file.count; i++) {
        float more = 2.0f;
        if (strcmp(file.entries[i].name, "blk.1.attn_v.weight") != 0) continue;
        float *changed = calloc(file.entries[i].width, sizeof *changed);
        memcpy(changed, file.entries[i].squares, file.entries[i].width * sizeof *changed);
        changed[3] *= more;
        file.entries[i].squares = (const unsigned char *)changed;
        assert_int_equal(pare_imatrix_norms(&file, llama.model, NULL, &norms), PARE_FORMAT_ERROR);
        assert_non_null(strstr(pare_message(), "the sums of input 3 differ"));
        free(changed);
    }
    pare_imatrix_close(&file);
    family_close(&llama);
    family_close(&other);
    family_close(&fused);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sums_are_those_of_torch),
        TEST(norms_come_back),
        TEST(what_is_of_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
