/* The written model holds the kept rows and columns of the input, bit for bit, under the same names and types. */
#include "surgery/cut_model.h"

#include <sys/stat.h>

static const tiny_model layouts[] = {
    {.layers = 3},
    {.layers = 4, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 31, .tied = true},
    {.layers = 3, .hidden = 18, .heads = 12, .kv_heads = 4, .head_size = 10, .ffn = 41, .shards = 3},
    {.layers = 5, .hidden = 8, .heads = 8, .kv_heads = 2, .head_size = 2, .ffn = 26, .shards = 7, .tied = true},
};

/* Where row or column `at` of the smaller matrix was in the larger one. */
static uint64_t origin(const cut_model *c, uint32_t layer, pare_role role, uint64_t at) {
    const pare_kept *kept = &c->selection.layer[layer];
    uint64_t head = c->model->config.head_size;
    if (role >= PARE_ROLE_GATE) return kept->ffn_channel[at];
    if (role == PARE_ROLE_K || role == PARE_ROLE_V) return kept->kv_head[at / head] * head + at % head;
    uint64_t group = head * (c->model->config.widths[layer].heads / c->model->config.widths[layer].kv_heads);
    return kept->kv_head[at / group] * group + at % group;
}

static void compare_tensor(const cut_model *c, size_t id, const pare_tensor *written) {
    const pare_tensor *source = c->model->tensors[id];
    uint32_t layer = 0;
    pare_role role = PARE_LAYER_ROLES;
    bool cut = pare_tensor_id_split(c->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
    bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
    int64_t rows, columns, all, wide;
    size_t size = pare_dtype_size(source->dtype);
    assert_non_null(written);
    assert_int_equal(written->dtype, source->dtype);
    assert_int_equal(written->rank, source->rank);
    pare_tensor_matrix(written, &rows, &columns);
    pare_tensor_matrix(source, &all, &wide);
    const pare_widths *w = &c->widths[layer];
    if (cut) {
        uint64_t left = role >= PARE_ROLE_GATE                       ? w->ffn
                        : role == PARE_ROLE_Q || role == PARE_ROLE_O ? w->heads * c->model->config.head_size
                                                                     : w->kv_heads * c->model->config.head_size;
        assert_int_equal(by_column ? columns : rows, left);
    }
    assert_int_equal(by_column || !cut ? all : wide, by_column || !cut ? rows : columns);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++) {
            uint64_t from_row = cut && !by_column ? origin(c, layer, role, (uint64_t)row) : (uint64_t)row;
            uint64_t from_column = cut && by_column ? origin(c, layer, role, (uint64_t)column) : (uint64_t)column;
            assert_memory_equal((const char *)written->data + (size_t)(row * columns + column) * size,
                                (const char *)source->data + (from_row * (uint64_t)wide + from_column) * size, size);
        }
}

static void check(tiny_model tiny, bool uneven, uint64_t seed) {
    cut_model c = cut_model_open(tiny, uneven, seed);
    char *folder = cut_model_write(&c);
    pare_model *written;
    assert_int_equal(pare_model_open(folder, &written), PARE_OK);
    assert_int_equal(written->tensor_count, c.model->tensor_count);
    assert_int_equal(pare_checkpoint_count(written->checkpoint), pare_checkpoint_count(c.model->checkpoint));
    for (size_t id = 0; id < c.model->tensor_count; id++)
        compare_tensor(&c, id, pare_checkpoint_find(written->checkpoint, c.model->tensors[id]->name));
    assert_true(pare_model_parameters(written) == pare_parameters_with(c.model, c.widths));
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
                check(tiny, uneven, 3 * i + (uint64_t)dtype);
            }
}

/* Rows of columns longer than the buffer they are gathered in. */
static void long_columns(void **state) {
    (void)state;
    check((tiny_model){.layers = 2, .hidden = 2, .heads = 1, .head_size = 2, .ffn = 300000, .vocabulary = 4}, true, 1);
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

/* Gives a written single-file checkpoint one more tensor of 4 floats at its end. */
static void append_tensor(const char *folder, const char *name, const float values[4]) {
    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    const pare_mapping *file = pare_checkpoint_mapping(checkpoint, 0);
    uint64_t length;
    memcpy(&length, file->data, sizeof length);
    json_t *header = json_loadb((const char *)file->data + 8, length, 0, NULL);
    uint64_t data = file->bytes - 8 - length;
    json_object_set_new(header, name,
                        json_pack("{s:s,s:[i],s:[I,I]}", "dtype", "F32", "shape", 4, "data_offsets", (json_int_t)data,
                                  (json_int_t)data + 16));
    char *text = json_dumps(header, JSON_COMPACT), *bytes = malloc(data + 16);
    memcpy(bytes, file->data + 8 + length, data);
    memcpy(bytes + data, values, 16);
    pare_checkpoint_close(checkpoint);
    tiny_write_safetensors(folder, "model.safetensors", text, bytes, data + 16);
    free(bytes);
    free(text);
    json_decref(header);
}

/* rotary_emb.inv_freq of old checkpoints, and a head stored although it is tied, are copied as they are. */
static void tensors_that_are_not_used(void **state) {
    (void)state;
    static const char frequencies[] = "model.layers.0.self_attn.rotary_emb.inv_freq";
    static const float values[4] = {1.0f, 0.25f, 0.0625f, -0.0f};
    cut_model c = cut_model_open((tiny_model){.layers = 2, .config = "{\"tie_word_embeddings\": true}"}, false, 4);
    pare_model_close(c.model);
    append_tensor(c.folder, frequencies, values);
    assert_int_equal(pare_model_open(c.folder, &c.model), PARE_OK);
    assert_true(c.model->config.tied);
    pare_model *written;
    char *folder = cut_model_write(&c);
    assert_int_equal(pare_model_open(folder, &written), PARE_OK);
    const pare_tensor *extra = pare_checkpoint_find(written->checkpoint, frequencies);
    const pare_tensor *head = pare_checkpoint_find(written->checkpoint, "lm_head.weight");
    assert_non_null(extra);
    assert_non_null(head);
    assert_memory_equal(extra->data, values, sizeof values);
    assert_memory_equal(head->data, pare_checkpoint_find(c.model->checkpoint, "lm_head.weight")->data, head->bytes);
    pare_model_close(written);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&c);
}

static void the_announced_room_suffices(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        cut_model c = cut_model_open(layouts[i], true, i);
        char *folder = cut_model_write(&c), *path = pare_path_join(folder, "model.safetensors");
        uint64_t announced;
        struct stat status;
        assert_int_equal(pare_cut_need(c.model, &c.selection, &announced), PARE_OK);
        assert_int_equal(stat(path, &status), 0);
        assert_true((uint64_t)status.st_size <= announced);
        assert_true(announced <= (uint64_t)status.st_size + 4096 * (c.model->tensor_count + 1));
        free(path);
        tiny_remove(folder);
        free(folder);
        cut_model_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_bits_are_the_inputs),
        cmocka_unit_test(long_columns),
        cmocka_unit_test(nothing_removed),
        cmocka_unit_test(tensors_that_are_not_used),
        cmocka_unit_test(the_announced_room_suffices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
