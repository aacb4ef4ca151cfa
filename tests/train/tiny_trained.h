/* Something trained on a tiny model, some of whose weights are zero, for the tests of recovery. */
#ifndef PARE_TESTS_TINY_TRAINED_H
#define PARE_TESTS_TINY_TRAINED_H

#include "model/tiny_pass.h"
#include "train/trained.h"

static inline void expect(pare_status status, pare_status expected, const char *words) {
    if (status != expected || (status != PARE_OK && !strstr(pare_message(), words)))
        fail_msg("status %d where %d and \"%s\" are expected: %s", status, expected, words, pare_message());
}

static const pare_lora_options all_targets = {
    .rank = 3, .alpha = 6, .seed = 5, .targets = {true, true, true, true, true, true, true}};

/* Elements of the files of `folder` become zero, about every second one. */
static inline void tiny_sparsify(const char *folder, pare_dtype dtype) {
    char *path = pare_path_join(folder, "model.safetensors");
    FILE *file = fopen(path, "r+b");
    unsigned char head[8], zeros[4] = {0};
    uint64_t length = 0, state = 99;
    tiny_check(file && fread(head, 1, 8, file) == 8, path);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | head[i];
    long size = (long)pare_dtype_size(dtype), at = 8 + (long)length;
    tiny_check(fseek(file, 0, SEEK_END) == 0, path);
    for (long end = ftell(file); at < end; at += size)
        if (tiny_random(&state) & 1) {
            tiny_check(fseek(file, at, SEEK_SET) == 0 && fwrite(zeros, 1, (size_t)size, file) == (size_t)size, path);
        }
    tiny_check(fclose(file) == 0, path);
    free(path);
}

/* As tiny_pass_open, with one thread and fp32; sparse: with zeros among the weights. */
static inline tiny_pass tiny_trained_open(tiny_model tiny, bool sparse, int64_t sequences, int64_t length) {
    tiny_pass t = {.folder = tiny_model_write(tiny), .sequences = sequences, .length = length};
    if (sparse) tiny_sparsify(t.folder, tiny.dtype);
    assert_int_equal(pare_model_open(t.folder, &t.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &t.backend), PARE_OK);
    t.ids = calloc((size_t)(sequences * length), sizeof *t.ids);
    pare_random random = {.seed = 17};
    for (int64_t i = 0; i < sequences * length; i++)
        t.ids[i] = (uint32_t)pare_random_below(&random, t.model->config.vocabulary);
    return t;
}

/* Adds noise to all numbers: the B of a LoRA is zero at first. */
static inline void tiny_move(pare_trained *trained, float size) {
    float *noise = malloc(trained->count * sizeof *noise);
    pare_normal_fill(noise, 7, 0, 0, 0, trained->count);
    for (size_t i = 0; i < trained->count; i++)
        trained->value[i] += size * noise[i];
    free(noise);
    assert_int_equal(trained->refresh(trained), PARE_OK);
}

static inline pare_pass *tiny_trained_pass(const tiny_pass *t, bool gradients) {
    pare_pass_shape shape = {.sequences = t->sequences, .length = t->length, .gradients = gradients, .composed = true};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    return pass;
}

static inline double stored_at(const pare_tensor *tensor, size_t i) {
    float value;
    pare_to_float(&value, (const char *)tensor->data + i * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
    return (double)value;
}

/* All of a tensor as `merged` gives it, `step` rows at a time; to be freed. */
static inline float *tiny_merged(const pare_trained *trained, size_t id, int64_t step) {
    int64_t rows, columns;
    pare_tensor_matrix(trained->model->tensors[id], &rows, &columns);
    float *out = malloc((size_t)(rows * columns + 1) * sizeof *out);
    for (int64_t first = 0; first < rows; first += step)
        assert_int_equal(
            trained->merged(trained, id, first, rows - first < step ? rows - first : step, out + first * columns),
            PARE_OK);
    return out;
}

/* W + scale (B A) in double at element i; *size: the sizes of its terms. */
static inline double lora_formula(const pare_trained *lora, size_t id, size_t i, double *size) {
    pare_lora_factors f = pare_lora_factors_of(lora, id);
    double value = stored_at(lora->model->tensors[id], i), scale = (double)pare_lora_scale(lora);
    *size = fabs(value);
    for (int64_t k = 0; k < f.rank; k++) {
        size_t row = i / (size_t)f.columns, column = i % (size_t)f.columns;
        double term = scale * (double)lora->value[f.b + row * (size_t)f.rank + (size_t)k] *
                      (double)lora->value[f.a + (size_t)k * (size_t)f.columns + column];
        value += term;
        *size += fabs(term);
    }
    return value;
}

#endif
