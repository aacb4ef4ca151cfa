/* A model and signals for all of it whose numbers the oracle counts, too (tests/oracle/units.py), and pare's scores of
 * them beside the oracle's. */
#ifndef PARE_TESTS_COUNTED_MODEL_H
#define PARE_TESTS_COUNTED_MODEL_H

#include "golden.h"
#include "importance/scores.h"
#include "tiny_model.h"

#define UNITS_GOLDEN PARE_SOURCE_DIR "/tests/data/units.json"

/* Streams of the signals: one for each tensor, by its id. The gradient is that times COUNTED_SCALE. */
enum { COUNTED_GRADIENT = 1000, COUNTED_SQUARES = 2000, COUNTED_INPUTS = 3000 };
#define COUNTED_SCALE 0.375f

typedef struct counted_model {
    char *folder;
    pare_model *model;
    float **gradient, **squares, **inputs; /* [tensor_count] each */
} counted_model;

static inline counted_model counted_model_open(tiny_model tiny) {
    tiny.counted = true;
    counted_model m = {.folder = tiny_model_write(tiny)};
    assert_int_equal(pare_model_open(m.folder, &m.model), PARE_OK);
    size_t count = m.model->tensor_count;
    m.gradient = calloc(count, sizeof *m.gradient);
    m.squares = calloc(count, sizeof *m.squares);
    m.inputs = calloc(count, sizeof *m.inputs);
    for (size_t id = 0; id < count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(m.model->tensors[id], &rows, &columns);
        m.gradient[id] = counted_numbers(COUNTED_GRADIENT + (uint32_t)id, (uint64_t)(rows * columns), false);
        m.squares[id] = counted_numbers(COUNTED_SQUARES + (uint32_t)id, (uint64_t)(rows * columns), true);
        m.inputs[id] = counted_numbers(COUNTED_INPUTS + (uint32_t)id, (uint64_t)columns, true);
    }
    return m;
}

static inline void counted_model_close(counted_model *m) {
    for (size_t id = 0; id < m->model->tensor_count; id++) {
        free(m->gradient[id]);
        free(m->squares[id]);
        free(m->inputs[id]);
    }
    free(m->gradient);
    free(m->squares);
    free(m->inputs);
    pare_model_close(m->model);
    tiny_remove(m->folder);
    free(m->folder);
}

/* pare's scores: every tensor added in pieces of `piece` rows (0: whole). */
static inline pare_index_scores counted_add(const counted_model *m, const pare_salience *salience, pare_score_axis axis,
                                            int64_t piece) {
    pare_index_scores out;
    unsigned needs = salience->needs;
    assert_int_equal(pare_index_scores_new(m->model, salience, axis, &out), PARE_OK);
    for (size_t id = 0; id < m->model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(m->model->tensors[id], &rows, &columns);
        int64_t step = piece ? piece : rows;
        for (int64_t first = 0; first < rows; first += step) {
            pare_row_signals signals = {.gradient =
                                            needs & PARE_NEEDS_GRADIENT ? m->gradient[id] + first * columns : NULL,
                                        .squares = needs & PARE_NEEDS_SQUARES ? m->squares[id] + first * columns : NULL,
                                        .inputs = needs & PARE_NEEDS_INPUTS ? m->inputs[id] : NULL,
                                        .gradient_scale = COUNTED_SCALE};
            assert_int_equal(
                pare_index_scores_add(&out, id, first, rows - first < step ? rows - first : step, &signals), PARE_OK);
        }
    }
    return out;
}

static inline pare_unit_scores counted_units(const counted_model *m, const pare_salience *salience,
                                             pare_score_axis axis, pare_reduction reduction, pare_alignment alignment) {
    pare_unit_scores units;
    pare_index_scores indices = counted_add(m, salience, axis, 0);
    assert_int_equal(pare_unit_scores_new(m->model, &units), PARE_OK);
    pare_unit_scores_reduce(&indices, reduction, alignment, &units);
    pare_index_scores_free(&indices);
    return units;
}

/* The layout of a golden entry; *widths is freed with free() when the model is written. */
static inline tiny_model counted_layout(const json_t *layout, pare_widths **widths) {
    tiny_model tiny = {0};
    int tied, shards, layers, hidden, head, vocabulary;
    json_t *list, *row;
    size_t i;
    assert_int_equal(json_unpack((json_t *)(uintptr_t)layout, "{s:b,s:i,s:i,s:i,s:i,s:i,s:o}", "tied", &tied, "shards",
                                 &shards, "layers", &layers, "hidden", &hidden, "head_size", &head, "vocabulary",
                                 &vocabulary, "widths", &list),
                     0);
    *widths = calloc(json_array_size(list), sizeof **widths);
    json_array_foreach(list, i, row) {
        int heads, groups, ffn;
        assert_int_equal(json_unpack(row, "[i,i,i]", &heads, &groups, &ffn), 0);
        (*widths)[i] = (pare_widths){(uint32_t)heads, (uint32_t)groups, (uint32_t)ffn};
        if (i == 0) tiny.heads = (uint32_t)heads;
    }
    tiny.tied = tied;
    tiny.shards = (uint32_t)shards;
    tiny.layers = (uint32_t)layers;
    tiny.hidden = (uint32_t)hidden;
    tiny.head_size = (uint32_t)head;
    tiny.vocabulary = (uint32_t)vocabulary;
    tiny.widths = *widths;
    return tiny;
}

/* The place of a case's word in a list; the lists are in the order of pare's enums. */
static inline int counted_word(const json_t *entry, const char *key, const char *const *words) {
    const char *word = json_string_value(json_object_get(entry, key));
    for (int i = 0; word && words[i]; i++)
        if (strcmp(words[i], word) == 0) return i;
    fail_msg("the golden file has no known %s", key);
    return 0;
}

static inline pare_unit_scores counted_case(const counted_model *m, const json_t *entry, pare_score_axis axis,
                                            const pare_salience **salience) {
    static const char *const reductions[] = {"sum", "mean", "max", "prod", "first", "second", NULL},
                             *const alignments[] = {"group", "strided", NULL};
    int alignment = axis == PARE_AXIS_WIDTHS ? counted_word(entry, "alignment", alignments) : PARE_ALIGN_GROUP;
    *salience = pare_salience_find(json_string_value(json_object_get(entry, "salience")));
    assert_non_null(*salience);
    return counted_units(m, *salience, axis, (pare_reduction)counted_word(entry, "reduction", reductions),
                         (pare_alignment)alignment);
}

/* Relative to the largest, as signs cancel in some: single precision. */
static inline void counted_compare(const char *what, const double *scores, size_t count, const json_t *expected) {
    double largest = 0.0;
    assert_int_equal(json_array_size(expected), count);
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, json_number_value(json_array_get(expected, i)));
    for (size_t i = 0; i < count; i++) {
        double one = json_number_value(json_array_get(expected, i));
        if (!(fabs(scores[i] - one) <= 1e-6 * largest && fabs(scores[i] - one) <= 1e-5 * one + 1e-9 * largest))
            fail_msg("%s, %zu: %.10g, expected %.10g", what, i, scores[i], one);
    }
}

static inline void counted_compare_widths(const counted_model *m, const json_t *entry) {
    const pare_salience *salience;
    pare_unit_scores units = counted_case(m, entry, PARE_AXIS_WIDTHS, &salience);
    json_t *layers = json_object_get(entry, "layer");
    counted_compare(salience->name, units.layer, m->model->config.layers, layers);
    for (uint32_t layer = 0; layer < m->model->config.layers; layer++) {
        const pare_widths *w = &m->model->config.widths[layer];
        const struct {
            const char *key;
            const double *scores;
            uint32_t count;
        } kinds[] = {{"heads", units.heads[layer], w->kv_heads},
                     {"query", units.query[layer], w->heads},
                     {"ffn", units.ffn[layer], w->ffn}};
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            counted_compare(salience->name, kinds[i].scores, kinds[i].count,
                            json_array_get(json_object_get(entry, kinds[i].key), layer));
    }
    pare_unit_scores_free(&units);
}

static inline void counted_compare_hidden(const counted_model *m, const json_t *entry) {
    const pare_salience *salience;
    pare_unit_scores units = counted_case(m, entry, PARE_AXIS_HIDDEN, &salience);
    counted_compare(salience->name, units.hidden, m->model->config.hidden, json_object_get(entry, "hidden"));
    pare_unit_scores_free(&units);
}

/* All cases of all layouts that the golden file has under `key`, as weights of a stored type. */
static inline void counted_check(const char *key, pare_dtype dtype,
                                 void (*compare)(const counted_model *, const json_t *)) {
    json_t *golden = load_json(UNITS_GOLDEN), *entry, *of_layout;
    size_t i, j;
    assert_true(json_number_value(json_object_get(golden, "scale")) == (double)COUNTED_SCALE);
    assert_int_not_equal(json_array_size(json_object_get(golden, key)), 0);
    json_array_foreach(json_object_get(golden, key), i, entry) {
        pare_widths *widths;
        tiny_model tiny = counted_layout(json_object_get(entry, "layout"), &widths);
        tiny.dtype = dtype;
        counted_model m = counted_model_open(tiny);
        assert_int_not_equal(json_array_size(json_object_get(entry, "cases")), 0);
        json_array_foreach(json_object_get(entry, "cases"), j, of_layout) compare(&m, of_layout);
        counted_model_close(&m);
        free(widths);
    }
    json_decref(golden);
}

#endif
