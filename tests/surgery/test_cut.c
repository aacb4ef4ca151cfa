/* The written model holds the kept rows and columns of the input, bit for bit, under the same names and types. */
#include "surgery/cut_model.h"

static const tiny_model layouts[] = {
    {.layers = 3},
    {.layers = 4, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 31, .tied = true},
    {.layers = 3, .hidden = 18, .heads = 12, .kv_heads = 4, .head_size = 10, .ffn = 41, .shards = 3},
    {.layers = 5, .hidden = 8, .heads = 8, .kv_heads = 2, .head_size = 2, .ffn = 26, .shards = 7, .tied = true},
};

static uint64_t hidden_origin(const cut_model *c, uint64_t at) {
    return c->selection.hidden_channel ? c->selection.hidden_channel[at] : at;
}

/* Where row (or column, for O and down) `at` of the smaller matrix was in the larger one, on the side of the heads and
 * FFN channels. */
static uint64_t unit_origin(const cut_model *c, uint32_t layer, pare_role role, uint64_t at) {
    const pare_kept *kept = &c->selection.layer[layer];
    uint64_t head = c->model->config.head_size;
    if (role >= PARE_ROLE_GATE) return kept->ffn_channel[at];
    bool query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    return (query ? kept->head : kept->kv_head)[at / head] * head + at % head;
}

static int64_t unit_length(const cut_model *c, uint32_t layer, pare_role role) {
    const pare_kept *kept = &c->selection.layer[layer];
    if (role >= PARE_ROLE_GATE) return kept->ffn;
    bool query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    return (int64_t)(query ? kept->heads : kept->kv_heads) * c->model->config.head_size;
}

/* NULL for a tensor of a dropped layer. */
static const pare_tensor *written_tensor(const cut_model *c, const pare_model *written, size_t id) {
    uint32_t layer, number = 0;
    pare_role role;
    char name[96];
    if (!pare_tensor_id_split(c->model, id, &layer, &role))
        return pare_checkpoint_find(written->checkpoint, c->model->tensors[id]->name);
    if (c->selection.layer[layer].dropped) return NULL;
    for (uint32_t i = 0; i < layer; i++)
        number += !c->selection.layer[i].dropped;
    pare_role_name(number, role, name, sizeof name);
    return pare_checkpoint_find(written->checkpoint, name);
}

static void compare_tensor(const cut_model *c, size_t id, const pare_tensor *written) {
    const pare_tensor *source = c->model->tensors[id];
    uint32_t layer = 0;
    pare_role role = PARE_LAYER_ROLES;
    bool inside = pare_tensor_id_split(c->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
    bool transposed = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
    int64_t rows, columns, all, wide;
    size_t size = pare_dtype_size(source->dtype);
    assert_non_null(written);
    assert_int_equal(written->dtype, source->dtype);
    assert_int_equal(written->rank, source->rank);
    pare_tensor_matrix(written, &rows, &columns);
    pare_tensor_matrix(source, &all, &wide);
    assert_int_equal(transposed ? columns : rows, inside ? unit_length(c, layer, role) : all);
    assert_int_equal(transposed ? rows : columns, c->selection.hidden);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++) {
            uint64_t unit = (uint64_t)(transposed ? column : row), channel = (uint64_t)(transposed ? row : column);
            unit = inside ? unit_origin(c, layer, role, unit) : unit;
            channel = hidden_origin(c, channel);
            uint64_t from = (transposed ? channel : unit) * (uint64_t)wide + (transposed ? unit : channel);
            assert_memory_equal((const char *)written->data + (size_t)(row * columns + column) * size,
                                (const char *)source->data + from * size, size);
        }
}

static void check(tiny_model tiny, bool uneven, int kinds, uint64_t seed) {
    cut_model c = cut_model_open(tiny, uneven, seed);
    cut_model_reduce(&c, kinds, seed);
    char *folder = cut_model_write(&c);
    pare_model *written;
    if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s", pare_message());
    uint32_t layers = pare_selection_layers(&c.selection);
    assert_int_equal(written->config.layers, layers);
    assert_int_equal(written->config.hidden, c.selection.hidden);
    assert_int_equal(written->config.head_size, c.model->config.head_size);
    assert_memory_equal(written->config.widths, c.widths, layers * sizeof *c.widths);
    size_t gone = (size_t)(c.model->config.layers - layers) * PARE_LAYER_ROLES;
    assert_int_equal(written->tensor_count, c.model->tensor_count - gone);
    assert_int_equal(pare_checkpoint_count(written->checkpoint), pare_checkpoint_count(c.model->checkpoint) - gone);
    for (size_t id = 0; id < c.model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        if (!pare_tensor_id_split(c.model, id, &layer, &role) || !c.selection.layer[layer].dropped)
            compare_tensor(&c, id, written_tensor(&c, written, id));
    }
    assert_true(pare_model_parameters(written) == pare_selection_parameters(c.model, &c.selection));
    assert_true(pare_model_bytes(written) == pare_selection_bytes(c.model, &c.selection));
    pare_model_close(written);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&c);
}

static void kept_bits_are_the_inputs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (int dtype = 0; dtype < 3; dtype++)
            for (int uneven = 0; uneven < 2; uneven++) {
                tiny_model tiny = layouts[i];
                tiny.dtype = (pare_dtype)dtype;
                check(tiny, uneven, 0, 3 * i + (uint64_t)dtype);
            }
}

static void whatever_goes_together(void **state) {
    (void)state;
    for (int kinds = 1; kinds < CUT_KINDS; kinds++)
        for (int dtype = 0; dtype < 3; dtype++) {
            tiny_model tiny = layouts[2 + (kinds + dtype) % 2];
            tiny.dtype = (pare_dtype)dtype;
            check(tiny, dtype < 2, kinds, (uint64_t)kinds);
        }
}

static void repaired_matrices_are_written_as_they_are(void **state) {
    (void)state;
    for (int kinds = 0; kinds < CUT_KINDS; kinds++) {
        cut_model c = cut_model_open(layouts[2], true, 2);
        cut_model_reduce(&c, kinds, 2);
        pare_repaired repaired = cut_model_repaired(&c, 3);
        char *folder = cut_model_write_repaired(&c, &repaired);
        pare_model *written;
        assert_int_equal(pare_model_open(folder, &written), PARE_OK);
        for (size_t id = 0; id < c.model->tensor_count; id++) {
            const pare_tensor *tensor = written_tensor(&c, written, id);
            if (tensor && repaired.matrix[id]) assert_memory_equal(tensor->data, repaired.matrix[id], tensor->bytes);
            if (tensor && !repaired.matrix[id]) compare_tensor(&c, id, tensor);
        }
        pare_model_close(written);
        cut_model_repaired_free(&repaired);
        tiny_remove(folder);
        free(folder);
        cut_model_close(&c);
    }
}

/* Rows of columns longer than the buffer they are gathered in. */
static void long_columns(void **state) {
    (void)state;
    tiny_model tiny = {.layers = 1, .hidden = 2, .heads = 1, .head_size = 2, .ffn = 270000, .vocabulary = 4};
    check(tiny, false, 0, 1);
    tiny.hidden = 3;
    check(tiny, false, CUT_HIDDEN, 1);
}

/* Everything kept: the same tensors, and so the same bytes of data. */
static void nothing_removed(void **state) {
    (void)state;
    cut_model c = cut_model_open((tiny_model){.layers = 1, .dtype = PARE_DTYPE_BF16}, true, 1);
    char *folder = cut_model_write(&c);
    pare_checkpoint *written;
    assert_int_equal(pare_checkpoint_open(folder, &written), PARE_OK);
    for (size_t i = 0; i < pare_checkpoint_count(written); i++) {
        const pare_tensor *now = pare_checkpoint_at(written, i);
        const pare_tensor *then = pare_checkpoint_find(c.model->checkpoint, now->name);
        assert_int_equal(now->bytes, then->bytes);
        assert_memory_equal(now->data, then->data, now->bytes);
    }
    pare_checkpoint_close(written);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&c);
}

/* rotary_emb.inv_freq of old checkpoints keeps to its layer; one that names no layer of the model stays as it is. */
static void tensors_that_are_not_used(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } names[] = {{"model.layers.0.self_attn.rotary_emb.inv_freq", NULL},
                 {"model.layers.1.self_attn.rotary_emb.inv_freq", "model.layers.0.self_attn.rotary_emb.inv_freq"},
                 {"model.layers.3.self_attn.rotary_emb.inv_freq", "model.layers.1.self_attn.rotary_emb.inv_freq"},
                 {"model.layers.03.self_attn.rotary_emb.inv_freq", "model.layers.03.self_attn.rotary_emb.inv_freq"},
                 {"model.layers.7.self_attn.rotary_emb.inv_freq", "model.layers.7.self_attn.rotary_emb.inv_freq"}};
    enum { NAMES = sizeof names / sizeof *names };
    cut_model c = cut_model_open((tiny_model){.layers = 4, .ffn = 40}, false, 4);
    pare_model_close(c.model);
    for (int i = 0; i < NAMES; i++)
        tiny_append(c.folder, names[i].before, 4, 0, (const float[4]){(float)i, 0.25f, 0.0625f, -0.0f});
    assert_int_equal(pare_model_open(c.folder, &c.model), PARE_OK);
    cut_model_reduce(&c, CUT_HIDDEN | CUT_LAYERS, 1);
    pare_model *written;
    char *folder = cut_model_write(&c);
    if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_checkpoint_count(written->checkpoint), written->tensor_count + NAMES - 1);
    for (int i = 0; i < NAMES; i++) {
        if (!names[i].after) continue;
        const pare_tensor *extra = pare_checkpoint_find(written->checkpoint, names[i].after);
        assert_non_null(extra);
        assert_memory_equal(extra->data, ((const float[4]){(float)i, 0.25f, 0.0625f, -0.0f}), 16);
    }
    pare_model_close(written);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&c);
}

/* A tied model whose head is stored, too; more: what its elements have more than the embedding's. */
static cut_model open_with_head(float more, bool alone) {
    tiny_model tiny = {.layers = 2, .tied = true, .scale = 0.3};
    char *folder = tiny_model_write(tiny);
    if (alone)
        tiny_rename(folder, "model.embed_tokens.weight", "lm_head.weight");
    else
        tiny_store_head(folder, 32, 16, more);
    return cut_model_open_folder(folder, false, 4);
}

/* A head that is stored although it is tied loses the embedding's columns. */
static void a_tied_head_that_is_stored(void **state) {
    (void)state;
    for (int kinds = 0; kinds <= CUT_HIDDEN; kinds += CUT_HIDDEN) {
        cut_model c = open_with_head(0.0f, false);
        cut_model_reduce(&c, kinds, 1);
        assert_true(c.model->config.tied);
        pare_model *written;
        char *folder = cut_model_write(&c);
        if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s", pare_message());
        const pare_tensor *head = pare_checkpoint_find(written->checkpoint, "lm_head.weight");
        const pare_tensor *source = pare_checkpoint_find(c.model->checkpoint, "lm_head.weight");
        assert_non_null(head);
        const float *now = head->data, *then = source->data;
        for (uint64_t row = 0; row < head->shape[0]; row++)
            for (uint64_t column = 0; column < head->shape[1]; column++)
                assert_memory_equal(&now[row * head->shape[1] + column],
                                    &then[row * source->shape[1] + hidden_origin(&c, column)], sizeof *now);
        pare_model_close(written);
        tiny_remove(folder);
        free(folder);
        cut_model_close(&c);
    }
}

static bool says_tied(const pare_model *model) {
    return json_is_true(json_object_get(model->config.json, "tie_word_embeddings"));
}

/* What is written computes what the masked model does, and says of its head what is so: another head is not tied, and a
 * tied one that was stored as the head alone has the embedding's name. */
static void heads_are_written_as_they_are(void **state) {
    (void)state;
    static const struct {
        float more;
        bool alone, tied;
    } cases[] = {{0.25f, false, false}, {0.0f, true, true}, {0.0f, false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cut_model c = open_with_head(cases[i].more, cases[i].alone);
        cut_model_reduce(&c, CUT_HIDDEN, 3);
        pare_model *written;
        pare_mask mask;
        char *folder = cut_model_write(&c);
        if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s", pare_message());
        assert_int_equal(written->config.tied, cases[i].tied);
        assert_int_equal(says_tied(written), cases[i].tied);
        assert_non_null(pare_checkpoint_find(written->checkpoint, "model.embed_tokens.weight"));
        assert_int_equal(pare_mask_new(c.model, &c.selection, NULL, &mask), PARE_OK);
        float *expected = cut_model_logits(c.model, &mask), *found = cut_model_logits(written, NULL);
        assert_true(cut_model_apart(found, expected, (size_t)CUT_TOKENS * 32) < 1e-4);
        free(expected);
        free(found);
        pare_mask_free(&mask);
        pare_model_close(written);
        tiny_remove(folder);
        free(folder);
        cut_model_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_bits_are_the_inputs),
        cmocka_unit_test(whatever_goes_together),
        cmocka_unit_test(repaired_matrices_are_written_as_they_are),
        cmocka_unit_test(long_columns),
        cmocka_unit_test(nothing_removed),
        cmocka_unit_test(tensors_that_are_not_used),
        cmocka_unit_test(a_tied_head_that_is_stored),
        cmocka_unit_test(heads_are_written_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
