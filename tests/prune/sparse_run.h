/* prune_run with single weights as its target, and looks at the zeros that are left. */
#ifndef PARE_TESTS_SPARSE_RUN_H
#define PARE_TESTS_SPARSE_RUN_H

#include "prune/prune_run.h"

/* Rows and columns that no pattern and no slab divides; weights large enough that layers differ. */
static const tiny_model sparse_tiny = {
    .layers = 2, .hidden = 18, .heads = 3, .kv_heads = 3, .head_size = 6, .ffn = 27, .scale = 0.3};

static inline prune_run sparse_run_open(tiny_model tiny, const char *method, double share) {
    prune_run r = prune_run_open(tiny);
    r.options.method = method;
    r.options.ratio = 0.0;
    r.options.sparsity = (pare_sparsity){.given = true, .share = share};
    r.options.force = true;
    return r;
}

static inline void sparse_run_pattern(prune_run *r, uint32_t keep, uint32_t of) {
    r->options.sparsity.share = 0.0;
    r->options.sparsity.keep = keep;
    r->options.sparsity.of = of;
}

/* Presets for single weights, by index; NULL after the last. */
static inline const char *sparse_run_method(size_t index) {
    for (size_t i = 0; pare_recipe_name(i); i++)
        if (pare_recipe_find(pare_recipe_name(i))->mode == PARE_MODE_ELEMENT && index-- == 0)
            return pare_recipe_name(i);
    return NULL;
}

/* Of the fields of a preset that say how many weights go, with options over them. */
static inline pare_element_recipe sparse_run_element(const prune_run *r) {
    pare_recipe recipe;
    assert_int_equal(pare_recipe_resolve(&r->options, &recipe), PARE_OK);
    return recipe.element;
}

static inline pare_model *sparse_run_model(const char *folder) {
    pare_model *model;
    pare_status status = pare_model_open(folder, &model);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    return model;
}

/* The matrix as floats; freed with free(). */
static inline float *sparse_run_floats(const pare_tensor *tensor) {
    float *x = malloc(tensor->count * sizeof *x + 1);
    assert_non_null(x);
    pare_to_float(x, tensor->data, tensor->dtype, tensor->count);
    return x;
}

/* Zeros of n values, each of which is either +0 or another number. */
static inline int64_t sparse_run_zeros(const float *x, int64_t n) {
    int64_t zeros = 0;
    for (int64_t i = 0; i < n; i++) {
        assert_true(isfinite(x[i]));
        if (x[i] != 0.0f) continue;
        assert_false(signbit(x[i]));
        zeros++;
    }
    return zeros;
}

static inline bool sparse_run_is_matrix(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    return pare_tensor_id_split(model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
}

static inline int64_t sparse_run_zeros_of(const pare_tensor *tensor) {
    float *x = sparse_run_floats(tensor);
    int64_t zeros = sparse_run_zeros(x, (int64_t)tensor->count);
    free(x);
    return zeros;
}

static inline int64_t sparse_run_zeros_of_model(const pare_model *model, int64_t *all) {
    int64_t zeros = 0;
    *all = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!sparse_run_is_matrix(model, id)) continue;
        zeros += sparse_run_zeros_of(model->tensors[id]);
        *all += (int64_t)model->tensors[id]->count;
    }
    return zeros;
}

static inline void sparse_run_assert_same(const pare_tensor *a, const pare_tensor *b) {
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->data, b->data, a->count * pare_dtype_size(a->dtype));
}

/* Of the weights file of the last run. */
static inline void sparse_run_digest(const prune_run *r, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    char *path = pare_path_join(r->output, "model.safetensors");
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    prune_run_digest_file(digest, path);
    pare_digest_finish(digest, text);
    free(path);
}

static inline void sparse_run_do(const prune_run *r, char text[PARE_DIGEST_TEXT]) {
    prune_run_do(r);
    sparse_run_digest(r, text);
}

#endif
