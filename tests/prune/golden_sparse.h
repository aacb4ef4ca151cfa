/* What Wanda, SparseGPT, RIA and GBLM-Pruner leave of the golden model (tests/oracle/sparse.py in fp64; of stories260K
 * their released code in fp32), against whole runs on the same calibration ids: masks bit by bit, and perplexities. */
#ifndef PARE_TESTS_GOLDEN_SPARSE_H
#define PARE_TESTS_GOLDEN_SPARSE_H

#include "golden.h"
#include "model/model.h"
#include "tiny_model.h"

typedef struct sparse_entry {
    const char *golden, *method;
    bool pattern;            /* 2:4, else 50 % */
    bool released;           /* its threshold takes one weight more than asked, and ties */
    const char *key, *value; /* one choice that differs from the method's, or NULL */
    int64_t differing;       /* mask bits of 226560 that may differ from released code's; 0: perplexities, too */
} sparse_entry;

typedef struct golden_sparse {
    char *folder, *input, *output;
    json_t *results;
    pare_model *model;
    pare_cache *cache;
} golden_sparse;

static inline void golden_sparse_link(const golden_sparse *g, const char *from, const char *name) {
    char *path = pare_path_join(g->input, name), *absolute = realpath(from, NULL);
    assert_non_null(absolute);
    assert_int_equal(symlink(absolute, path), 0);
    free(absolute);
    free(path);
}

/* The model beside the tokenizer that the reference used. */
static inline int golden_sparse_set_up(void **state) {
    static golden_sparse g;
    *state = &g;
    if (!golden_is_there()) return 0;
    g.folder = tiny_folder();
    g.input = pare_path_join(g.folder, "model");
    g.output = pare_path_join(g.folder, "output");
    assert_int_equal(mkdir(g.input, 0755), 0);
    golden_sparse_link(&g, golden_join(golden_path(GOLDEN_MODEL), "config.json"), "config.json");
    golden_sparse_link(&g, golden_join(golden_path(GOLDEN_MODEL), "model.safetensors"), "model.safetensors");
    golden_sparse_link(&g, golden_path(GOLDEN_TOKENIZER), "tokenizer.model");
    g.results = load_json(golden_join(golden_path(GOLDEN_MASKS), "results.json"));
    g.cache = pare_cache_new();
    assert_int_equal(pare_model_open(g.input, &g.model), PARE_OK);
    return 0;
}

static inline int golden_sparse_tear_down(void **state) {
    golden_sparse *g = *state;
    if (!g->results) return 0;
    pare_model_close(g->model);
    pare_cache_free(g->cache);
    json_decref(g->results);
    tiny_remove(g->folder);
    free(g->folder);
    free(g->input);
    free(g->output);
    return 0;
}

/* Prunes into g->output; the report. BOS + the first windows of the text are evaluated where `text` is given. */
static inline json_t *golden_sparse_prune(const golden_sparse *g, const sparse_entry *e, const char *text) {
    pare_setting settings[2];
    size_t count = 0;
    if (e->released) settings[count++] = (pare_setting){"threshold", "released"};
    if (e->key) settings[count++] = (pare_setting){e->key, e->value};
    pare_prune_options options = {.method = e->method,
                                  .settings = settings,
                                  .setting_count = count,
                                  .sparsity = {.given = true},
                                  .calibration = {.source = golden_path(GOLDEN_CALIBRATION)},
                                  .sigma = -1.0,
                                  .eta = -1.0,
                                  .output = g->output,
                                  .force = true,
                                  .texts = &text,
                                  .text_count = text ? 1 : 0,
                                  .window = 128,
                                  .max_windows = golden_is_ours() ? 100 : 300,
                                  .cache = g->cache};
    if (e->pattern) {
        options.sparsity.keep = 2;
        options.sparsity.of = 4;
    } else {
        options.sparsity.share = 0.5;
    }
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    char *report;
    pare_status status = pare_prune(g->model, &options, &runtime, &report);
    if (status) fprintf(stderr, "%s: %s\n", e->golden, pare_message());
    assert_int_equal(status, PARE_OK);
    json_t *json = json_loads(report, 0, NULL);
    pare_text_free(report);
    return json;
}

static inline const pare_tensor *golden_sparse_tensor(const pare_model *model, const char *name) {
    for (size_t id = 0; id < model->tensor_count; id++)
        if (strcmp(model->tensors[id]->name, name) == 0) return model->tensors[id];
    fail_msg("no tensor is called %s", name);
    return NULL;
}

/* Mask bits that differ from the zeros in g->output. mask: a bit for each weight, 1 = removed, least significant first,
 * tensor after tensor in the results' order. */
static inline int64_t golden_sparse_differences(const golden_sparse *g, const sparse_entry *e) {
    pare_mapping mask;
    pare_model *pruned;
    assert_int_equal(pare_mapping_open(golden_mask(e->golden), &mask), PARE_OK);
    assert_int_equal(pare_model_open(g->output, &pruned), PARE_OK);
    json_t *order = json_object_get(g->results, "order"), *name;
    size_t index, at = 0;
    int64_t differing = 0;
    json_array_foreach(order, index, name) {
        const pare_tensor *tensor = golden_sparse_tensor(pruned, json_string_value(name));
        const unsigned char *bits = mask.data;
        assert_int_equal(tensor->dtype, PARE_DTYPE_F32);
        for (size_t i = 0; i < tensor->count; i++, at++) {
            float weight;
            memcpy(&weight, (const char *)tensor->data + i * sizeof weight, sizeof weight);
            differing += (weight == 0.0f) != (bits[at / 8] >> (at % 8) & 1);
        }
    }
    assert_int_equal(at, mask.bytes * 8);
    pare_mapping_close(&mask);
    pare_model_close(pruned);
    return differing;
}

static inline void golden_sparse_check(const golden_sparse *g, const sparse_entry *e) {
    int64_t allowed = golden_is_ours() ? 0 : e->differing;
    const char *text = golden_is_ours() ? golden_path(GOLDEN_TEXT) : shared_path("data/books/novels_valid_utf8_lf.txt");
    if (allowed) text = NULL;
    json_t *golden = json_object_get(json_object_get(g->results, "results"), e->golden);
    json_t *report = golden_sparse_prune(g, e, text);
    assert_non_null(golden);
    int64_t differing = golden_sparse_differences(g, e);
    if (differing > allowed) fprintf(stderr, "%s: %lld mask bits differ\n", e->golden, (long long)differing);
    assert_true(differing <= allowed);
    if (text) {
        json_t *after = json_object_get(json_array_get(json_object_get(report, "texts"), 0), "after");
        assert_close(e->golden, json_number_value(json_object_get(after, "perplexity")),
                     json_number_value(json_object_get(golden, golden_is_ours() ? "perplexity" : "ppl_novels")), 1e-3);
    }
    json_decref(report);
}

#endif
