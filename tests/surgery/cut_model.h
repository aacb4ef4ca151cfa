/* A tiny model, what is to be kept of it (at random, each layer on its own or all alike), and its logits. */
#ifndef PARE_TESTS_CUT_MODEL_H
#define PARE_TESTS_CUT_MODEL_H

#include "model/config_write.h"
#include "golden.h"
#include "importance/scores.h"
#include "model/pass.h"
#include "select/select.h"
#include "support/memory.h"
#include "support/random.h"
#include "surgery/cut.h"
#include "surgery/mask.h"
#include "tiny_variants.h"

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

/* folder: of a tiny model, and the cut model's from then on. */
static inline cut_model cut_model_open_folder(char *folder, bool uneven, uint64_t seed) {
    cut_model c = {.folder = folder};
    pare_unit_scores scores;
    assert_int_equal(pare_model_open(c.folder, &c.model), PARE_OK);
    assert_true(c.model->config.layers <= sizeof c.widths / sizeof *c.widths);
    cut_model_widths(&c, uneven);
    assert_int_equal(pare_unit_scores_new(c.model, &scores), PARE_OK);
    pare_unit_scores_random(c.model, seed, &scores);
    assert_int_equal(pare_select_at_widths(c.model, &scores, c.widths, false, &c.selection), PARE_OK);
    pare_unit_scores_free(&scores);
    return c;
}

static inline cut_model cut_model_open(tiny_model tiny, bool uneven, uint64_t seed) {
    return cut_model_open_folder(tiny_model_write(tiny), uneven, seed);
}

/* What else goes. */
enum { CUT_QUERY_HEADS = 1, CUT_HIDDEN = 2, CUT_LAYERS = 4, CUT_KINDS = 8 };

/* One query head of every kept group goes. */
static inline void cut_model_query_heads(cut_model *c, pare_random *random) {
    for (uint32_t i = 0; i < c->selection.layers; i++) {
        pare_kept *kept = &c->selection.layer[i];
        uint32_t shared = kept->heads / kept->kv_heads, heads[64], count = 0;
        assert_true(shared > 1 && kept->heads <= 64);
        for (uint32_t group = 0; group < kept->kv_heads; group++) {
            uint32_t gone = (uint32_t)pare_random_below(random, shared);
            for (uint32_t j = 0; j < shared; j++)
                if (j != gone) heads[count++] = kept->head[group * shared + j];
        }
        assert_int_equal(pare_kept_set_heads(heads, count, kept), PARE_OK);
    }
}

/* A third of the hidden channels goes. */
static inline void cut_model_hidden(cut_model *c, pare_random *random) {
    uint32_t hidden = c->model->config.hidden, left = hidden - hidden / 3;
    uint32_t *list;
    assert_int_equal(pare_alloc(&list, hidden, sizeof *list, "channels"), PARE_OK);
    c->selection.hidden = 0;
    for (uint32_t i = 0; i < hidden; i++)
        if (pare_random_below(random, hidden - i) < left - c->selection.hidden) list[c->selection.hidden++] = i;
    assert_int_equal(c->selection.hidden, left);
    c->selection.hidden_channel = list;
}

static inline void cut_model_reduce(cut_model *c, int kinds, uint64_t seed) {
    pare_random random = {.seed = seed, .stream = 5};
    if (kinds & CUT_QUERY_HEADS) cut_model_query_heads(c, &random);
    if (kinds & CUT_HIDDEN) cut_model_hidden(c, &random);
    for (uint32_t i = 0; kinds & CUT_LAYERS && i < c->selection.layers; i += 2)
        pare_kept_drop(&c->selection.layer[i]);
    pare_selection_widths(&c->selection, c->widths);
}

/* Random matrices in the place of some that are cut: of every role in the layers, and the embedding. */
static inline pare_repaired cut_model_repaired(const cut_model *c, uint64_t seed) {
    pare_repaired repaired = {.count = c->model->tensor_count};
    assert_int_equal(pare_alloc(&repaired.matrix, repaired.count, sizeof *repaired.matrix, "repaired"), PARE_OK);
    for (size_t id = 0; id < repaired.count; id += 2) {
        const pare_tensor *tensor = c->model->tensors[id];
        float *values;
        assert_int_equal(pare_alloc(&values, tensor->count, sizeof *values, "values"), PARE_OK);
        assert_int_equal(pare_alloc(&repaired.matrix[id], tensor->bytes, 1, "values"), PARE_OK);
        pare_normal_fill(values, seed, 0, id, 0, tensor->count);
        for (uint64_t i = 0; i < tensor->count; i++)
            values[i] *= 0.3f;
        pare_from_float(repaired.matrix[id], tensor->dtype, values, tensor->count);
        pare_free(values);
    }
    return repaired;
}

static inline void cut_model_repaired_free(pare_repaired *repaired) {
    for (size_t id = 0; id < repaired->count; id++)
        pare_free(repaired->matrix[id]);
    pare_free(repaired->matrix);
}

static inline void cut_model_close(cut_model *c) {
    pare_selection_free(&c->selection);
    pare_model_close(c->model);
    tiny_remove(c->folder);
    free(c->folder);
}

/* Writes the smaller model into a fresh folder. repaired: may be NULL. */
static inline char *cut_model_write_repaired(const cut_model *c, const pare_repaired *repaired) {
    char *folder = tiny_folder(), *config;
    pare_config_kind kind;
    assert_int_equal(pare_cut_write(c->model, &c->selection, repaired, folder, NULL), PARE_OK);
    assert_int_equal(pare_cut_config(c->model, &c->selection, &config, &kind), PARE_OK);
    tiny_write_text(folder, "config.json", config);
    free(config);
    return folder;
}

static inline char *cut_model_write(const cut_model *c) {
    return cut_model_write_repaired(c, NULL);
}

enum { CUT_TOKENS = 13 };

static inline void cut_model_ids(const pare_model *model, uint32_t ids[CUT_TOKENS]) {
    pare_random random = {.seed = 11};
    for (int i = 0; i < CUT_TOKENS; i++)
        ids[i] = (uint32_t)pare_random_below(&random, model->config.vocabulary);
}

/* float [CUT_TOKENS, vocabulary], freed with free(). mask: may be NULL. */
static inline float *cut_model_logits(const pare_model *model, const pare_mask *mask) {
    uint32_t ids[CUT_TOKENS];
    pare_backend *backend;
    pare_pass *pass;
    pare_pass_shape shape = {.sequences = 1, .length = CUT_TOKENS, .composed = true};
    float *logits = malloc(CUT_TOKENS * model->config.vocabulary * sizeof *logits);
    cut_model_ids(model, ids);
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    pare_source source = {.model = model, .backend = backend};
    if (mask) pare_mask_apply(mask, &source);
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
