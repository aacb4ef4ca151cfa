/* A tiny model, what is to be kept of it (at random, each layer on its own or all alike), and its logits. */
#ifndef PARE_TESTS_CUT_MODEL_H
#define PARE_TESTS_CUT_MODEL_H

#include "checkpoint/config_write.h"
#include "golden.h"
#include "model/pass.h"
#include "support/random.h"
#include "surgery/cut.h"
#include "tiny_model.h"

typedef struct cut_model {
    char *folder;
    pare_model *model;
    pare_widths widths[16]; /* after */
    pare_selection selection;
} cut_model;

/* uneven: every layer keeps a number of its own, the first one everything. */
static inline void cut_model_widths(cut_model *c, bool uneven) {
    for (uint32_t i = 0; i < c->model->config.layers; i++) {
        const pare_widths *w = &c->model->config.widths[i];
        uint32_t shared = w->heads / w->kv_heads, less = uneven ? i : 1;
        uint32_t kv = w->kv_heads > less ? w->kv_heads - less : 1, ffn = w->ffn > 5 * less ? w->ffn - 5 * less : 1;
        c->widths[i] = (pare_widths){kv * shared, kv, ffn};
    }
}

static inline cut_model cut_model_open(tiny_model tiny, bool uneven, uint64_t seed) {
    cut_model c = {.folder = tiny_model_write(tiny)};
    pare_unit_scores scores;
    assert_int_equal(pare_model_open(c.folder, &c.model), PARE_OK);
    assert_true(c.model->config.layers <= sizeof c.widths / sizeof *c.widths);
    cut_model_widths(&c, uneven);
    assert_int_equal(pare_unit_scores_new(c.model, &scores), PARE_OK);
    pare_unit_scores_random(c.model, seed, &scores);
    assert_int_equal(pare_select_local(c.model, &scores, c.widths, &c.selection), PARE_OK);
    pare_unit_scores_free(&scores);
    return c;
}

static inline void cut_model_close(cut_model *c) {
    pare_selection_free(&c->selection);
    pare_model_close(c->model);
    tiny_remove(c->folder);
    free(c->folder);
}

/* Writes the smaller model into a fresh folder. */
static inline char *cut_model_write(const cut_model *c) {
    char *folder = tiny_folder(), *config;
    pare_config_kind kind;
    assert_int_equal(pare_cut_write(c->model, &c->selection, folder, NULL), PARE_OK);
    assert_int_equal(pare_config_write(&c->model->config, c->widths, &config, &kind), PARE_OK);
    tiny_write_text(folder, "config.json", config);
    free(config);
    return folder;
}

enum { CUT_TOKENS = 13 };

static inline void cut_model_ids(const pare_model *model, uint32_t ids[CUT_TOKENS]) {
    pare_random random = {.seed = 11};
    for (int i = 0; i < CUT_TOKENS; i++)
        ids[i] = (uint32_t)pare_random_below(&random, model->config.vocabulary);
}

/* float [CUT_TOKENS, vocabulary], freed with free(). */
static inline float *cut_model_logits(const pare_model *model, float **column_scale) {
    uint32_t ids[CUT_TOKENS];
    pare_backend *backend;
    pare_pass *pass;
    pare_pass_shape shape = {.sequences = 1, .length = CUT_TOKENS, .composed = true};
    float *logits = malloc(CUT_TOKENS * model->config.vocabulary * sizeof *logits);
    cut_model_ids(model, ids);
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    pare_source source = {.model = model, .backend = backend, .column_scale = column_scale};
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, ids, 1), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, &source, 0, CUT_TOKENS, logits), PARE_OK);
    pare_pass_free(pass);
    pare_backend_close(backend);
    return logits;
}

/* The largest difference, as a share of the largest value of b. */
static inline double cut_model_apart(const float *a, const float *b, size_t count) {
    double apart = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        apart = fmax(apart, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
        assert_true(isfinite(a[i]) && isfinite(b[i]));
    }
    return apart / largest;
}

#endif
