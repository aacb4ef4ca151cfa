/* stories260K with stories to calibrate and to evaluate with, golden kept sets, and the perplexity of what is left,
 * repaired or not.
 */
#ifndef PARE_TESTS_STORIES_H
#define PARE_TESTS_STORIES_H

#include "evaluate/perplexity.h"
#include "golden.h"
#include "repair/repair.h"
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
    FILE *from = fopen(shared_path("data/tinystories/tinystories_lowercase_excerpt.txt"), "rb");
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
    need_shared("golden/stories260K_structured.json");
    assert_int_equal(pare_model_open(shared_path("models/stories260K-hf"), &s.model), PARE_OK);
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
                             .options = {.damping = PARE_REPAIR_DAMPING, .reader_damping = PARE_REPAIR_DAMPING}};
}

/* Index of the `i`th remaining row or column of a matrix. */
static inline uint32_t stories_index(const pare_selection *s, const pare_config *c, size_t id, bool row, int64_t i,
                                     const pare_model *model) {
    uint32_t layer, at = (uint32_t)i, h = c->head_size;
    pare_role role;
    bool inside = pare_tensor_id_split(model, id, &layer, &role);
    bool output = inside && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN);
    if (!inside || row == output) {
        bool channel = inside || !row;
        return channel && s->hidden_channel ? s->hidden_channel[at] : at;
    }
    const pare_kept *kept = &s->layer[layer];
    if (role >= PARE_ROLE_GATE) return kept->ffn_channel[at];
    return (role == PARE_ROLE_Q || role == PARE_ROLE_O ? kept->head : kept->kv_head)[at / h] * h + at % h;
}

/* displacement [tensor_count] that turns the kept part of each repaired matrix into what it was repaired to. */
static inline float **stories_displacement(const pare_model *model, const pare_selection *s,
                                           const pare_repaired *repaired) {
    float **out = calloc(model->tensor_count, sizeof *out);
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!repaired->matrix[id]) continue;
        const pare_tensor *tensor = model->tensors[id];
        int64_t rows, columns, left[2] = {0, 0};
        uint32_t layer;
        pare_role role;
        pare_tensor_matrix(tensor, &rows, &columns);
        bool inside = pare_tensor_id_split(model, id, &layer, &role);
        uint32_t h = model->config.head_size;
        int64_t units = !inside                                      ? rows
                        : role >= PARE_ROLE_GATE                     ? s->layer[layer].ffn
                        : role == PARE_ROLE_Q || role == PARE_ROLE_O ? s->layer[layer].heads * h
                                                                     : s->layer[layer].kv_heads * h;
        bool output = inside && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN);
        left[0] = output ? s->hidden : units;
        left[1] = output ? units : s->hidden;
        float *old = malloc(tensor->count * sizeof *old), *new = malloc(tensor->count * sizeof *new);
        out[id] = calloc(tensor->count, sizeof **out);
        pare_to_float(old, tensor->data, tensor->dtype, tensor->count);
        pare_to_float(new, repaired->matrix[id], tensor->dtype, (size_t)(left[0] * left[1]));
        for (int64_t i = 0; i < left[0]; i++)
            for (int64_t j = 0; j < left[1]; j++) {
                size_t at = (size_t)stories_index(s, &model->config, id, true, i, model) * (size_t)columns +
                            stories_index(s, &model->config, id, false, j, model);
                out[id][at] = new[i * left[1] + j] - old[at];
            }
        free(old);
        free(new);
    }
    return out;
}

static inline void stories_displacement_free(const pare_model *model, float **displacement) {
    for (size_t id = 0; id < model->tensor_count; id++)
        free(displacement[id]);
    free(displacement);
}

/* Removed hidden channels written as zeros: columns of the embedding, rows of outputs, norms over what is left. */
static inline void stories_cut_hidden(const pare_model *model, const pare_selection *s, float **displacement) {
    float root = sqrtf((float)s->hidden / (float)model->config.hidden);
    for (size_t id = 0; id < model->tensor_count && s->hidden_channel; id++) {
        const pare_tensor *tensor = model->tensors[id];
        int64_t rows, columns;
        uint32_t layer;
        pare_role role;
        bool inside = pare_tensor_id_split(model, id, &layer, &role);
        bool output = inside && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN);
        pare_tensor_matrix(tensor, &rows, &columns);
        bool norm = rows == 1;
        if (!norm && !output && id != pare_tensor_id_embedding()) continue;
        float *old = malloc(tensor->count * sizeof *old);
        pare_to_float(old, tensor->data, tensor->dtype, tensor->count);
        if (!displacement[id]) displacement[id] = calloc(tensor->count, sizeof **displacement);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                uint32_t channel = (uint32_t)(output ? i : j), k = 0;
                while (k < s->hidden && s->hidden_channel[k] != channel)
                    k++;
                float *at = &displacement[id][i * columns + j], w = old[i * columns + j];
                if (k == s->hidden)
                    *at = -w;
                else if (norm)
                    *at = (w + *at) * root - w;
            }
        free(old);
    }
}

/* Log perplexity of what is left; repaired may be NULL. */
static inline double stories_nll(const stories *s, const pare_selection *selection, const pare_repaired *repaired) {
    const pare_repaired none = {.matrix = calloc(s->model->tensor_count, sizeof(void *))};
    float **mask, **displacement = stories_displacement(s->model, selection, repaired ? repaired : &none);
    double nll;
    free(none.matrix);
    stories_cut_hidden(s->model, selection, displacement);
    assert_int_equal(pare_mask_new(s->model, selection, &mask), PARE_OK);
    pare_source source = {.model = s->model, .backend = s->backend, .column_scale = mask, .displacement = displacement};
    pare_evaluation evaluation = {
        .model = s->model, .source = &source, .backend = s->backend, .windows = &s->text, .name = "tinystories"};
    assert_int_equal(pare_perplexity(&evaluation, &nll), PARE_OK);
    pare_mask_free(s->model, mask);
    stories_displacement_free(s->model, displacement);
    return nll;
}

#endif
