/* The golden model with stories to calibrate and to evaluate with, golden kept sets, and the perplexity of what is
 * left, repaired or not. */
#ifndef PARE_TESTS_STORIES_H
#define PARE_TESTS_STORIES_H

#include "evaluate/perplexity.h"
#include "golden.h"
#include "layerwise/units.h"
#include "support/memory.h"
#include "surgery/mask.h"

typedef struct stories {
    pare_model *model;
    pare_backend *backend;
    pare_windows text; /* what is evaluated, and behind it what is calibrated with */
    const uint32_t *ids;
    int64_t sequences, length;
} stories;

enum { STORIES_TEXT_BYTES = 60000, STORIES_EVALUATED = 40, STORIES_CALIBRATED = 32, STORIES_LENGTH = 128 };

static inline void stories_text(stories *s) {
    char path[] = "/tmp/pare-test-XXXXXX", *bytes = malloc(STORIES_TEXT_BYTES);
    FILE *from = fopen(golden_path(GOLDEN_TEXT), "rb");
    const pare_tokenizer *tokenizer;
    assert_non_null(from);
    assert_int_equal(fread(bytes, 1, STORIES_TEXT_BYTES, from), STORIES_TEXT_BYTES);
    fclose(from);
    int file = mkstemp(path);
    assert_int_equal(write(file, bytes, STORIES_TEXT_BYTES), STORIES_TEXT_BYTES);
    close(file);
    assert_int_equal(pare_model_tokenizer(s->model, &tokenizer), PARE_OK);
    assert_int_equal(
        pare_windows_stream(tokenizer, path, NULL, STORIES_LENGTH, STORIES_EVALUATED + STORIES_CALIBRATED, &s->text),
        PARE_OK);
    assert_int_equal(s->text.count, STORIES_EVALUATED + STORIES_CALIBRATED);
    s->text.count = STORIES_EVALUATED;
    s->ids = s->text.ids + STORIES_EVALUATED * STORIES_LENGTH;
    s->sequences = STORIES_CALIBRATED;
    s->length = STORIES_LENGTH;
    unlink(path);
    free(bytes);
}

/* Skips the running test if the data are absent. */
static inline stories stories_open(int threads) {
    stories s = {0};
    need_golden();
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &s.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, threads, &s.backend), PARE_OK);
    stories_text(&s);
    return s;
}

static inline void stories_close(stories *s) {
    pare_windows_free(&s->text);
    pare_backend_close(s->backend);
    pare_model_close(s->model);
}

static inline uint32_t *stories_list(json_t *list, uint32_t *count) {
    *count = (uint32_t)json_array_size(list);
    uint32_t *out = malloc((*count + 1) * sizeof *out);
    for (size_t i = 0; i < *count; i++)
        out[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    return out;
}

/* What the golden method keeps: "taylor_param_first", "keep_0.25". */
static inline pare_selection stories_kept(const stories *s, const char *method, const char *key) {
    json_t *golden = load_golden();
    json_t *kept = json_object_get(json_object_get(json_object_get(golden, "methods"), method), key);
    pare_selection selection;
    uint32_t count;
    assert_int_equal(pare_selection_all(s->model, &selection), PARE_OK);
    for (uint32_t layer = 0; layer < selection.layers; layer++) {
        json_t *of_layer = json_array_get(kept, layer);
        uint32_t *list = stories_list(json_object_get(of_layer, "heads"), &count);
        assert_int_equal(pare_kept_set_groups(s->model, layer, list, count, &selection.layer[layer]), PARE_OK);
        free(list);
        list = stories_list(json_object_get(of_layer, "ffn"), &count);
        assert_int_equal(pare_kept_set_channels(list, count, &selection.layer[layer]), PARE_OK);
        free(list);
    }
    json_decref(golden);
    return selection;
}

/* A quarter of the units of layers 1 to 3 goes. */
static inline const pare_widths *stories_quarter(const stories *s) {
    static pare_widths widths[8];
    for (uint32_t i = 0; i < s->model->config.layers; i++) {
        widths[i] = s->model->config.widths[i];
        if (i >= 1 && i < 4) widths[i] = (pare_widths){.heads = 6, .kv_heads = 3, .ffn = 129};
    }
    return widths;
}

static inline pare_repair_job stories_job(const stories *s, const pare_source *source) {
    return (pare_repair_job){.source = source,
                             .ids = s->ids,
                             .sequences = s->sequences,
                             .length = s->length,
                             .options = {.damping = 1e-2, .reader_damping = 1e-2}};
}

/* Log perplexity of what is left; repaired may be NULL. */
static inline double stories_nll(const stories *s, const pare_selection *selection, const pare_repaired *repaired) {
    pare_mask mask;
    double nll;
    pare_source source = {.model = s->model, .backend = s->backend};
    assert_int_equal(pare_mask_new(s->model, selection, repaired, &mask), PARE_OK);
    pare_mask_apply(&mask, &source);
    pare_evaluation evaluation = {
        .model = s->model, .source = &source, .backend = s->backend, .windows = &s->text, .name = "stories"};
    assert_int_equal(pare_perplexity(&evaluation, &nll), PARE_OK);
    pare_mask_free(&mask);
    return nll;
}

#endif
