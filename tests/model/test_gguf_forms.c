/* A GGUF file is the model that its folder is: packed or not, in one file or several, with layers of different widths.
 */
#include "gguf_of_llama.h"
#include "golden.h"
#include "model/gguf_form.h"
#include "model/source.h"

/* Both have the same tensors, bit for bit, whether they are asked for whole or row by row. */
static void expect_equal(const pare_model *one, const pare_model *other) {
    const pare_checkpoint *a = one->checkpoint, *b = other->checkpoint;
    assert_int_equal(pare_checkpoint_count(a), pare_checkpoint_count(b));
    for (size_t i = 0; i < pare_checkpoint_count(a); i++) {
        const pare_tensor *x = pare_checkpoint_at(a, i), *y = pare_checkpoint_find(b, x->name);
        if (!y || x->dtype != y->dtype || x->count != y->count || x->bytes != y->bytes)
            fail_msg("%s is another tensor", x->name);
        size_t size = pare_dtype_size(x->dtype);
        char *whole = malloc(x->bytes), *rows = malloc(x->bytes), *room = malloc(x->bytes);
        memcpy(whole, pare_tensor_elements(x, 0, x->count, room), x->bytes);
        for (uint64_t at = 0, take; at < x->count; at += take) {
            take = x->count - at < 37 ? x->count - at : 37;
            memcpy(rows + at * size, pare_tensor_elements(x, at, take, room), take * size);
        }
        if (memcmp(whole, y->data, x->bytes) != 0) fail_msg("%s differs", x->name);
        if (memcmp(rows, y->data, x->bytes) != 0) fail_msg("%s differs by rows", x->name);
        free(whole);
        free(rows);
        free(room);
    }
    for (uint32_t i = 0; i < one->config.layers; i++)
        assert_memory_equal(&one->config.widths[i], &other->config.widths[i], sizeof *one->config.widths);
}

static pare_model *open_model(const char *path) {
    pare_model *model;
    if (pare_model_open(path, &model) != PARE_OK) fail_msg("%s", pare_message());
    return model;
}

static void check(tiny_model shape, gguf_form form, const char *name) {
    char *folder = tiny_model_write(shape), *path = pare_path_join(folder, name);
    pare_model *model = open_model(folder);
    gguf_of_llama(model, folder, "packed", form);
    pare_model *packed = open_model(path);
    if (form.packed) {
        pare_model_close(model);
        model = open_model(folder);
        gguf_equal_weights(model, folder, form);
        pare_model_close(model);
        model = open_model(folder);
    }
    expect_equal(packed, model);
    pare_model_close(packed);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
    free(path);
}

static const tiny_model shape = {.hidden = 64, .heads = 4, .kv_heads = 2, .ffn = 48};

static void whole_file(void **state) {
    (void)state;
    check(shape, (gguf_form){0}, "packed.gguf");
}

static void packed_file(void **state) {
    (void)state;
    check(shape, (gguf_form){.packed = true}, "packed.gguf");
}

static void parts_by_any_name(void **state) {
    (void)state;
    check(shape, (gguf_form){.packed = true, .parts = 3}, "packed-00001-of-00003.gguf");
    check(shape, (gguf_form){.parts = 3}, "packed-00003-of-00003.gguf");
}

static void layers_of_their_own_widths(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 48}, {2, 1, 32}, {6, 3, 20}};
    tiny_model uneven = shape;
    uneven.layers = 3;
    uneven.head_size = 16;
    uneven.widths = widths;
    check(uneven, (gguf_form){.layered = true}, "packed.gguf");
    check(uneven, (gguf_form){.layered = true, .packed = true}, "packed.gguf");
}

/* A part that is missing, renamed or of another model. */
static void parts_that_do_not_fit(void **state) {
    (void)state;
    char *folder = tiny_model_write(shape), *other = tiny_folder();
    pare_model *model = open_model(folder), *refused;
    char *first = pare_path_join(other, "a-00001-of-00002.gguf"),
         *second = pare_path_join(other, "a-00002-of-00002.gguf");
    char *away = pare_path_join(other, "b.gguf");
    gguf_of_llama(model, other, "a", (gguf_form){.parts = 2});
    assert_int_equal(rename(second, away), 0);
    assert_int_equal(pare_model_open(first, &refused), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "part 2 of 2"));
    assert_int_equal(pare_model_open(away, &refused), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "-00002-of-00002.gguf"));
    assert_int_equal(link(first, second), 0);
    assert_int_equal(pare_model_open(first, &refused), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "part 1 of 2, where part 2 of 2"));
    pare_model_close(model);
    tiny_remove(folder);
    tiny_remove(other);
    free(folder);
    free(other);
    free(first);
    free(second);
    free(away);
}

/* llama-quantize's guard against what importance makes of the first layers' Down in four and five bits. */
static void importance_widens_the_first_layers(void **state) {
    (void)state;
    static const char *const rows[][3] = {{"q4_0", "Q4_0", "Q4_1"}, {"q5_0", "Q5_0", "Q5_1"}, {"q4_1", "Q4_1", "Q4_1"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t layer = 0; layer < 16; layer += 2)
            for (int weighed = 0; weighed < 2; weighed++) {
                const pare_gguf_form *form;
                bool narrow, first = weighed && layer < 2;
                pare_gguf_place place = {.layered = true, .role = PARE_ROLE_DOWN, .layer = layer, .layers = 16};
                place.columns = 512;
                place.weighed = weighed;
                assert_int_equal(pare_gguf_form_find(rows[i][0], &form), PARE_OK);
                assert_string_equal(pare_gguf_form_type(form, &place, &narrow)->name, rows[i][first ? 2 : 1]);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(importance_widens_the_first_layers),
        cmocka_unit_test(whole_file),
        cmocka_unit_test(packed_file),
        cmocka_unit_test(parts_by_any_name),
        cmocka_unit_test(layers_of_their_own_widths),
        cmocka_unit_test(parts_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
