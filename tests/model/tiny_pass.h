/* A tiny model with a backend and random ids, and all gradients of a pass over them, for the tests of passes. */
#ifndef PARE_TESTS_TINY_PASS_H
#define PARE_TESTS_TINY_PASS_H

#include "golden.h"
#include "model/pass.h"
#include "support/random.h"
#include "tiny_model.h"

typedef struct tiny_pass {
    char *folder;
    pare_model *model;
    pare_backend *backend;
    int64_t sequences, length;
    uint32_t *ids;
} tiny_pass;

static inline tiny_pass tiny_pass_open(tiny_model tiny, int64_t sequences, int64_t length, int threads) {
    tiny_pass t = {.folder = tiny_model_write(tiny), .sequences = sequences, .length = length};
    assert_int_equal(pare_model_open(t.folder, &t.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, threads, &t.backend), PARE_OK);
    t.ids = calloc((size_t)(sequences * length), sizeof *t.ids);
    pare_random random = {.seed = 17};
    for (int64_t i = 0; i < sequences * length; i++)
        t.ids[i] = (uint32_t)pare_random_below(&random, t.model->config.vocabulary);
    return t;
}

static inline void tiny_pass_close(tiny_pass *t) {
    free(t->ids);
    pare_backend_close(t->backend);
    pare_model_close(t->model);
    tiny_remove(t->folder);
    free(t->folder);
}

/* Gradients by tensor id; NULL where they are not wanted. */
typedef struct tiny_gradients {
    float *of[128];
    size_t count;
} tiny_gradients;

static inline bool tiny_wants(void *context, size_t id) {
    return ((tiny_gradients *)context)->of[id] != NULL;
}

static inline pare_status tiny_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                    const float *gradient, const float *squares) {
    (void)squares;
    tiny_gradients *g = context;
    memcpy(g->of[id] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    return PARE_OK;
}

/* only: the one tensor that is wanted, or -1 for all. */
static inline double tiny_pass_gradients(const tiny_pass *t, const pare_source *source, int64_t micro_batch,
                                         int64_t only, tiny_gradients *out) {
    assert_true(t->model->tensor_count <= sizeof out->of / sizeof *out->of);
    *out = (tiny_gradients){.count = t->model->tensor_count};
    for (size_t id = 0; id < out->count; id++) {
        if (only >= 0 && id != (size_t)only) continue;
        out->of[id] = malloc(t->model->tensors[id]->count * sizeof(float));
        for (size_t i = 0; i < t->model->tensors[id]->count; i++)
            out->of[id][i] = NAN;
    }
    pare_pass_shape shape = {.sequences = t->sequences,
                             .length = t->length,
                             .gradients = true,
                             .composed = true,
                             .micro_batch = micro_batch};
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = out};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, source, t->ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    return loss;
}

static inline void tiny_gradients_free(tiny_gradients *g) {
    for (size_t id = 0; id < g->count; id++)
        free(g->of[id]);
}

#endif
