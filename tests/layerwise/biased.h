/* The first block of a tiny model of a family with biases, as the dense model has it and as others do. */
#ifndef PARE_TESTS_BIASED_H
#define PARE_TESTS_BIASED_H

#include "model/families.h"
#include "model/walk.h"
#include "surgery/mask.h"

typedef struct biased {
    families all;
    family_model m;
    pare_backend *backend;
    pare_source source;
    int64_t hidden;
} biased;

static inline biased biased_open(const char *name) {
    biased b = {.all = families_load()};
    b.m = family_open(family_case(&b.all, name), (family_form){0});
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &b.backend), PARE_OK);
    b.source = (pare_source){.model = b.m.model, .backend = b.backend};
    b.hidden = b.m.model->config.hidden;
    return b;
}

static inline void biased_close(biased *b) {
    pare_backend_close(b->backend);
    family_close(&b->m);
    families_free(&b->all);
}

/* Values of a block in hand, as doubles: [tokens, width], freed with free(). */
static inline double *biased_copy(const biased *b, const void *values, pare_dtype dtype, int64_t width,
                                  bool by_feature) {
    float *floats = malloc((size_t)(FAMILY_TOKENS * width) * sizeof *floats);
    double *out = malloc((size_t)(FAMILY_TOKENS * width) * sizeof *out);
    assert_true(floats && out && b->backend);
    pare_to_float(floats, values, dtype, (size_t)(FAMILY_TOKENS * width));
    for (int64_t t = 0; t < FAMILY_TOKENS; t++)
        for (int64_t i = 0; i < width; i++)
            out[t * width + i] = (double)floats[by_feature ? i * FAMILY_TOKENS + t : t * width + i];
    free(floats);
    return out;
}

/* What a block shows of a model. */
typedef struct biased_block {
    double *inputs[PARE_INPUT_KINDS]; /* [tokens, width] */
    double *middle, *out;             /* [tokens, d] behind attention, and behind the FFN */
} biased_block;

typedef struct biased_look {
    const biased *b;
    biased_block *block;
} biased_look;

static inline bool biased_wants(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

static inline pare_status biased_see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                                     int64_t width, bool by_feature) {
    const biased_look *look = context;
    (void)layer;
    assert_int_equal(tokens, FAMILY_TOKENS);
    look->block->inputs[kind] = biased_copy(look->b, x, look->b->backend->operand, width, by_feature);
    return PARE_OK;
}

static inline biased_block biased_run(const biased *b, const pare_source *source, uint32_t layer) {
    biased_block of = {0};
    biased_look look = {b, &of};
    pare_observer observer = {.wants = biased_wants, .see = biased_see, .context = &look};
    float *x = malloc((size_t)(FAMILY_TOKENS * b->hidden) * sizeof *x);
    pare_walk walk;
    assert_int_equal(pare_walk_new(source, FAMILY_LENGTH, FAMILY_SEQUENCES, &walk), PARE_OK);
    assert_int_equal(pare_walk_embed(&walk, b->all.ids, FAMILY_TOKENS, x), PARE_OK);
    for (uint32_t i = 0; i <= layer; i++) {
        pare_block block = pare_walk_block(&walk, i);
        block.observer = i == layer ? &observer : NULL;
        assert_int_equal(pare_block_forward(&block, x, x), PARE_OK);
        if (i == layer) of.middle = biased_copy(b, block.activations->middle, PARE_DTYPE_F32, b->hidden, false);
    }
    of.out = biased_copy(b, x, PARE_DTYPE_F32, b->hidden, false);
    pare_walk_free(&walk);
    free(x);
    return of;
}

/* The same of what is left of the model. repaired: may be NULL. */
static inline biased_block biased_run_left(const biased *b, const pare_selection *kept, const pare_repaired *repaired,
                                           uint32_t layer) {
    pare_mask mask;
    pare_source source = b->source;
    assert_int_equal(pare_mask_new(b->m.model, kept, repaired, &mask), PARE_OK);
    pare_mask_apply(&mask, &source);
    biased_block of = biased_run(b, &source, layer);
    pare_mask_free(&mask);
    return of;
}

static inline void biased_block_free(biased_block *of) {
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        free(of->inputs[kind]);
    free(of->middle);
    free(of->out);
}

/* [rows, columns] of a tensor, or what stands for it; freed with free(). */
static inline float *biased_values(const pare_source *source, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(source->model->tensors[id], &rows, &columns);
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    assert_non_null(values);
    pare_source_rows(source, id, 0, rows, values);
    return values;
}

/* means[rows] and the sum of squares of what a matrix with its bias makes. */
static inline double *biased_outputs(const pare_source *source, uint32_t layer, pare_role role, const double *x) {
    const pare_model *model = source->model;
    size_t id = pare_tensor_id(layer, role), bias = pare_tensor_id_in(&model->config, layer, pare_roles[role].bias);
    int64_t rows, columns;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    bool has = pare_has_role(&model->config.architecture, pare_roles[role].bias);
    float *w = biased_values(source, id), *b = has ? biased_values(source, bias) : NULL;
    double *out = malloc((size_t)(FAMILY_TOKENS * rows) * sizeof *out);
    for (int64_t t = 0; t < FAMILY_TOKENS; t++)
        for (int64_t i = 0; i < rows; i++) {
            double sum = b ? (double)b[i] : 0.0;
            for (int64_t j = 0; j < columns; j++)
                sum += (double)w[i * columns + j] * x[t * columns + j];
            out[t * rows + i] = sum;
        }
    free(w);
    free(b);
    return out;
}

/* sum over the tokens of |a - b|^2; mean: [width] of a - b, or NULL. */
static inline double biased_error(const double *a, const double *b, int64_t width, double *mean) {
    double sum = 0.0;
    for (int64_t i = 0; i < width; i++) {
        double total = 0.0;
        for (int64_t t = 0; t < FAMILY_TOKENS; t++) {
            double difference = a[t * width + i] - b[t * width + i];
            sum += difference * difference;
            total += difference;
        }
        if (mean) mean[i] = total / FAMILY_TOKENS;
    }
    return sum;
}

static inline double biased_largest(const double *x, int64_t n) {
    double most = 0.0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

#endif
