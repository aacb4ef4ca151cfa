/* A model as a GGUF file: its bytes follow the format's rules, read here by themselves, and what is read back from it
 * computes what the model does. */
#include "model/families.h"
#include "support/memory.h"
#include "surgery/gguf_export.h"

/* Tiny models are slower on several threads. */
static const pare_runtime alone = {.size = sizeof alone, .threads = 1};

static uint64_t whole(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* Bytes of a value of this kind (ggml's numbers). */
static size_t value_bytes(const unsigned char *at, uint32_t kind) {
    static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind == PARE_GGUF_STRING) return 8 + whole(at, 8);
    if (kind != PARE_GGUF_ARRAY) return sizes[kind];
    uint32_t inner = (uint32_t)whole(at, 4);
    size_t bytes = 12;
    for (uint64_t i = 0, count = whole(at + 4, 8); i < count; i++)
        bytes += value_bytes(at + bytes, inner);
    return bytes;
}

typedef struct block {
    uint32_t id, elements, bytes;
} block;

static const block blocks[] = {{0, 1, 4},   {1, 1, 2},   {30, 1, 2},     {2, 32, 18},    {3, 32, 20},   {6, 32, 22},
                               {7, 32, 24}, {8, 32, 34}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}};

/* Magic, version 3, as many entries and tensors as are said, every offset the next multiple of 32 behind the tensor
 * before, and nothing behind the last one's padding. */
static void expect_format(const char *path) {
    char *text;
    size_t size;
    assert_int_equal(pare_file_read(path, 1 << 26, &text, &size), PARE_OK);
    const unsigned char *bytes = (const unsigned char *)text;
    assert_memory_equal(bytes, "GGUF", 4);
    assert_int_equal(whole(bytes + 4, 4), 3);
    uint64_t tensors = whole(bytes + 8, 8), entries = whole(bytes + 16, 8), next = 0;
    size_t at = 24;
    for (uint64_t i = 0; i < entries; i++) {
        at += 8 + whole(bytes + at, 8);
        uint32_t kind = (uint32_t)whole(bytes + at, 4);
        at += 4 + value_bytes(bytes + at + 4, kind);
    }
    for (uint64_t i = 0; i < tensors; i++) {
        at += 8 + whole(bytes + at, 8);
        uint64_t rank = whole(bytes + at, 4), count = 1;
        at += 4;
        for (uint64_t axis = 0; axis < rank; axis++, at += 8)
            count *= whole(bytes + at, 8);
        size_t row = 0;
        while (row < sizeof blocks / sizeof *blocks && blocks[row].id != whole(bytes + at, 4))
            row++;
        assert_true(row < sizeof blocks / sizeof *blocks);
        assert_int_equal(whole(bytes + at + 4, 8), next);
        at += 12;
        next += (count / blocks[row].elements * blocks[row].bytes + 31) / 32 * 32;
    }
    assert_int_equal(size, (at + 31) / 32 * 32 + next);
    pare_free(text);
}

static float *logits_of(const pare_model *model, const pare_backend *backend, const uint32_t *ids, int64_t length) {
    float *logits = malloc((size_t)length * model->config.vocabulary * sizeof *logits);
    family_forward(model, backend, ids, 1, length, logits);
    return logits;
}

/* fp32 in another order of rows of Q and K: the same products, summed alike. */
static void expect_logits(const pare_model *model, const char *path, double bound) {
    enum { LENGTH = 12 };
    uint32_t ids[LENGTH];
    pare_model *written;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    if (pare_model_open(path, &written) != PARE_OK) fail_msg("%s", pare_message());
    for (uint32_t i = 0; i < LENGTH; i++)
        ids[i] = (7 * i + 3) % model->config.vocabulary;
    float *expected = logits_of(model, backend, ids, LENGTH), *actual = logits_of(written, backend, ids, LENGTH);
    double largest = 0, apart = 0;
    for (size_t i = 0; i < (size_t)LENGTH * model->config.vocabulary; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        apart = fmax(apart, fabs((double)expected[i] - (double)actual[i]));
    }
    if (!(apart <= bound * largest)) fail_msg("%s: logits differ by %g of %g", path, apart, largest);
    free(expected);
    free(actual);
    pare_model_close(written);
    pare_backend_close(backend);
}

static pare_gguf_exported export(const pare_model *model, const char *folder, const char *type, char **path) {
    const pare_gguf_form *form;
    pare_gguf_exported said;
    uint64_t bytes;
    *path = pare_path_join(folder, "out.gguf");
    assert_int_equal(pare_gguf_form_find(type, &form), PARE_OK);
    pare_gguf_export what = {.form = form, .name = "tiny"};
    if (pare_gguf_export_write(model, &what, *path, &alone, &said) != PARE_OK) fail_msg("%s: %s", type, pare_message());
    assert_int_equal(pare_gguf_export_need(model, &what, &bytes, &said), PARE_OK);
    struct stat found;
    assert_int_equal(stat(*path, &found), 0);
    assert_int_equal(found.st_size, bytes);
    return said;
}

static void check(tiny_model shape, const char *type, const char *architecture, double bound) {
    char *folder = tiny_model_write(shape), *path;
    pare_model *model;
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s", pare_message());
    pare_gguf_exported said = export(model, folder, type, &path);
    assert_string_equal(said.architecture, architecture);
    expect_format(path);
    expect_logits(model, path, bound);
    free(path);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

static const tiny_model shape = {.layers = 3, .hidden = 64, .heads = 4, .kv_heads = 2, .ffn = 96, .scale = 0.2};

static void uniform_layers(void **state) {
    (void)state;
    tiny_model tied = shape, many = shape, half = shape;
    tied.tied = true;
    many.kv_heads = 4;
    half.dtype = PARE_DTYPE_BF16;
    check(shape, "f32", "llama", 1e-6);
    check(tied, "f32", "llama", 1e-6);
    check(many, "f32", "llama", 1e-6);
    check(half, "bf16", "llama", 1e-6);
    check(half, "f16", "llama", 1e-3);
}

static void layers_of_their_own_widths(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 48}, {2, 1, 32}, {6, 3, 20}};
    tiny_model uneven = shape;
    uneven.widths = widths;
    check(uneven, "f32", "deci", 1e-6);
}

/* Layers without heads, without an FFN, without both: as llama.cpp reads them, or with a unit of zeros where it could
 * not. */
static void layers_that_lack_a_half(void **state) {
    (void)state;
    static const pare_widths middle[] = {{4, 2, 48}, {0, 0, 32}, {0, 0, 0}, {6, 3, 20}},
                             ends[] = {{0, 0, 48}, {4, 2, 0}, {2, 1, 32}, {0, 0, 0}}, last[] = {{4, 4, 1}, {2, 2, 0}};
    static const struct {
        const pare_widths *widths;
        uint32_t layers;
    } rows[] = {{middle, 4}, {ends, 4}, {last, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tiny_model gaps = shape;
        gaps.layers = rows[i].layers;
        gaps.widths = rows[i].widths;
        check(gaps, "f32", "deci", 1e-6);
        check(gaps, "q8_0", "deci", 0.05);
    }
}

/* 8 bits leave 0.5 % in each matrix, 4 bits 8 %: what two layers make of it stays below five times that. */
static void packed_types(void **state) {
    (void)state;
    static const struct {
        const char *type;
        double bound;
    } rows[] = {{"q8_0", 0.03}, {"q6_k", 0.1}, {"q5_k_m", 0.2}, {"q5_k_s", 0.2}, {"q5_1", 0.2},
                {"q5_0", 0.25}, {"q4_1", 0.4}, {"q4_k_m", 0.4}, {"q4_k_s", 0.4}, {"q4_0", 0.5}};
    tiny_model wide = shape;
    wide.layers = 2; /* of the last one the mixes take more */
    wide.hidden = wide.ffn = 256;
    wide.scale = 0.04;
    char *folder = tiny_model_write(wide), *path;
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pare_gguf_exported said = export(model, folder, rows[i].type, &path);
        assert_string_equal(said.architecture, "llama");
        expect_format(path);
        expect_logits(model, path, rows[i].bound);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

/* 96 is no multiple of 256: the matrices have other types, and it is said. */
static void narrow_rows(void **state) {
    (void)state;
    char *folder = tiny_model_write(shape), *path;
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_gguf_exported said = export(model, folder, "q4_k_m", &path);
    assert_int_equal(said.narrow, said.matrices);
    expect_format(path);
    expect_logits(model, path, 0.4);
    free(path);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

/* config: in place of the case's own; or NULL. */
static void family_is(const families *all, const char *name, const json_t *config, bool held) {
    const pare_gguf_form *form;
    pare_gguf_exported said;
    family_model m = family_open(family_case(all, name), (family_form){.config = config});
    char *path = pare_path_join(m.folder, "out.gguf");
    assert_int_equal(pare_gguf_form_find("f32", &form), PARE_OK);
    pare_gguf_export what = {.form = form, .name = "tiny"};
    pare_status status = pare_gguf_export_write(m.model, &what, path, &alone, &said);
    if (status != (held ? PARE_OK : PARE_UNSUPPORTED))
        fail_msg("%s: %s", name, status ? pare_message() : "was written");
    if (held) expect_format(path);
    free(path);
    family_close(&m);
}

/* What is written is the model when it is read again (pare_gguf_export_write); what a file cannot say is refused:
 * activations, scales of attention, places of windows and of layers without rotation. */
static void families_are_held_or_refused(void **state) {
    (void)state;
    static const char *const held[] = {
        "llama biases", "llama llama3", "llama yarn", "llama linear", "mistral window", "mistral longrope",
        "qwen2",        "qwen3",        "gemma",      "phi3",         "granite",        "smollm3"};
    static const char *const refused[] = {"llama yarn with scales", "gemma biases", "gemma2", "gpt2"};
    families all = families_load();
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        family_is(&all, held[i], NULL, true);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        family_is(&all, refused[i], NULL, false);
    families_free(&all);
}

/* Layers with a window (w) and without, as dropped layers leave them: only every so many-th may lack one. */
static void windows_are_said_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *layers;
        bool held;
    } rows[] = {{"wwwwww", true}, {"------", true}, {"ww-ww-", true}, {"ww-w-w", false}, {"-wwwww", false}};
    families all = families_load();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *config = json_copy(json_object_get(family_case(&all, "gemma3 all defaults"), "config"));
        json_t *types = json_array();
        for (const char *layer = rows[i].layers; *layer; layer++)
            json_array_append_new(types, json_string(*layer == 'w' ? "sliding_attention" : "full_attention"));
        json_object_set_new(config, "layer_types", types);
        json_object_set_new(config, "query_pre_attn_scalar", json_integer(12));
        family_is(&all, "gemma3 all defaults", config, rows[i].held);
        json_decref(config);
    }
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(uniform_layers),
                                       cmocka_unit_test(layers_of_their_own_widths),
                                       cmocka_unit_test(layers_that_lack_a_half),
                                       cmocka_unit_test(packed_types),
                                       cmocka_unit_test(narrow_rows),
                                       cmocka_unit_test(families_are_held_or_refused),
                                       cmocka_unit_test(windows_are_said_or_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
