/* What a selection is worth and how two of them, one after the other, become one. */
#include "golden.h"
#include "select/select.h"
#include "support/memory.h"
#include "tiny_model.h"

static const tiny_model tiny = {.layers = 4, .hidden = 12, .heads = 6, .kv_heads = 3, .head_size = 4, .ffn = 10};

typedef struct fixture {
    char *folder;
    pare_model *model;
} fixture;

static fixture open_model(tiny_model of) {
    fixture f = {.folder = tiny_model_write(of)};
    assert_int_equal(pare_model_open(f.folder, &f.model), PARE_OK);
    return f;
}

static void close_model(fixture *f) {
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

static void set_hidden(pare_selection *s, const uint32_t *channels, uint32_t count) {
    assert_int_equal(pare_alloc(&s->hidden_channel, count, sizeof *channels, "channels"), PARE_OK);
    memcpy(s->hidden_channel, channels, count * sizeof *channels);
    s->hidden = count;
}

static void all_is_the_model_itself(void **state) {
    (void)state;
    static const pare_dtype dtypes[] = {PARE_DTYPE_F32, PARE_DTYPE_BF16};
    for (int tied = 0; tied < 2; tied++)
        for (size_t i = 0; i < 2; i++) {
            tiny_model of = tiny;
            of.tied = tied;
            of.dtype = dtypes[i];
            fixture f = open_model(of);
            pare_selection all;
            assert_int_equal(pare_selection_all(f.model, &all), PARE_OK);
            assert_true(pare_selection_parameters(f.model, &all) == pare_model_parameters(f.model));
            assert_true(pare_selection_bytes(f.model, &all) == pare_model_bytes(f.model));
            assert_int_equal(pare_selection_layers(&all), 4);
            assert_true(pare_kept_all_heads(&all.layer[2], &f.model->config.widths[2]));
            assert_true(pare_kept_all_channels(&all.layer[2], &f.model->config.widths[2]));
            pare_selection_free(&all);
            close_model(&f);
        }
}

/* Counted by hand: 7 of 12 hidden channels; layer 0 has 2 of 3 groups and 9 of 10 channels, layer 1 is gone, layer 2
 * one query head of each group, layer 3 is whole. */
static void parameters_by_hand(void **state) {
    (void)state;
    fixture f = open_model(tiny);
    pare_selection s;
    assert_int_equal(pare_selection_all(f.model, &s), PARE_OK);
    assert_int_equal(pare_kept_set_groups(f.model, 0, (uint32_t[]){0, 2}, 2, &s.layer[0]), PARE_OK);
    assert_memory_equal(s.layer[0].head, ((uint32_t[]){0, 1, 4, 5}), 16);
    assert_int_equal(pare_kept_set_channels((uint32_t[]){0, 1, 2, 3, 4, 6, 7, 8, 9}, 9, &s.layer[0]), PARE_OK);
    pare_kept_drop(&s.layer[1]);
    assert_int_equal(pare_kept_set_heads((uint32_t[]){1, 2, 5}, 3, &s.layer[2]), PARE_OK);
    set_hidden(&s, (uint32_t[]){0, 1, 2, 4, 8, 10, 11}, 7);
    uint64_t d = 7, layer0 = d * 4 * (2 * 4 + 2 * 2) + 3 * 9 * d + 2 * d,
             layer2 = d * 4 * (2 * 3 + 2 * 3) + 3 * 10 * d + 2 * d,
             layer3 = d * 4 * (2 * 6 + 2 * 3) + 3 * 10 * d + 2 * d,
             expected = 2 * 32 * d + layer0 + layer2 + layer3 + d;
    assert_true(pare_selection_parameters(f.model, &s) == expected);
    assert_true(pare_selection_bytes(f.model, &s) == 4 * expected);
    assert_int_equal(pare_selection_layers(&s), 3);
    pare_widths widths[3];
    static const pare_widths left[] = {{4, 2, 9}, {3, 3, 10}, {6, 3, 10}};
    pare_selection_widths(&s, widths);
    assert_memory_equal(widths, left, sizeof left);
    assert_false(pare_kept_all_heads(&s.layer[2], &f.model->config.widths[2]));
    pare_selection_free(&s);
    close_model(&f);
}

/* The second one's numbers are the first one's places. */
static void one_after_the_other(void **state) {
    (void)state;
    fixture f = open_model(tiny);
    pare_selection first, second, both;
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_selection_all(f.model, &first), PARE_OK);
    pare_kept_drop(&first.layer[1]);
    assert_int_equal(pare_kept_set_groups(f.model, 2, (uint32_t[]){1, 2}, 2, &first.layer[2]), PARE_OK);
    assert_int_equal(pare_kept_set_channels((uint32_t[]){1, 3, 5, 7, 9}, 5, &first.layer[2]), PARE_OK);
    set_hidden(&first, (uint32_t[]){0, 2, 4, 6, 8, 10}, 6);
    /* What is left has three layers, of which the last goes. */
    second = (pare_selection){.layers = 3, .hidden = 6};
    assert_int_equal(pare_alloc(&second.layer, 3, sizeof *second.layer, "layers"), PARE_OK);
    assert_int_equal(pare_kept_set_groups(f.model, 0, NULL, 3, &second.layer[0]), PARE_OK);
    assert_int_equal(pare_kept_set_channels(NULL, 10, &second.layer[0]), PARE_OK);
    assert_int_equal(pare_kept_set_groups(f.model, 2, (uint32_t[]){1}, 1, &second.layer[1]), PARE_OK);
    assert_int_equal(pare_kept_set_channels((uint32_t[]){0, 2, 4}, 3, &second.layer[1]), PARE_OK);
    pare_kept_drop(&second.layer[2]);
    set_hidden(&second, (uint32_t[]){1, 2, 5}, 3);
    assert_int_equal(pare_selection_compose(&first, &second, &both), PARE_OK);
    assert_int_equal(both.layers, 4);
    assert_true(!both.layer[0].dropped && both.layer[1].dropped && !both.layer[2].dropped && both.layer[3].dropped);
    assert_int_equal(both.layer[0].ffn, 10);
    assert_int_equal(both.layer[2].kv_heads, 1);
    assert_int_equal(both.layer[2].kv_head[0], 2);
    assert_memory_equal(both.layer[2].head, ((uint32_t[]){4, 5}), 8);
    assert_memory_equal(both.layer[2].ffn_channel, ((uint32_t[]){1, 5, 9}), 12);
    assert_int_equal(both.hidden, 3);
    assert_memory_equal(both.hidden_channel, ((uint32_t[]){2, 4, 10}), 12);
    pare_selection_free(&first);
    pare_selection_free(&second);
    pare_selection_free(&both);
    assert_true(pare_memory_current() == before);
    close_model(&f);
}

/* Hidden channels cut by one of the two only. */
static void hidden_channels_of_one(void **state) {
    (void)state;
    fixture f = open_model(tiny);
    for (int which = 0; which < 2; which++) {
        pare_selection parts[2], both;
        static const uint32_t channels[] = {3, 4, 11};
        for (int i = 0; i < 2; i++)
            assert_int_equal(pare_selection_all(f.model, &parts[i]), PARE_OK);
        set_hidden(&parts[which], channels, 3);
        if (which == 0) parts[1].hidden = 3; /* of the model that is left */
        assert_int_equal(pare_selection_compose(&parts[0], &parts[1], &both), PARE_OK);
        assert_int_equal(both.hidden, 3);
        assert_memory_equal(both.hidden_channel, channels, sizeof channels);
        for (int i = 0; i < 2; i++)
            pare_selection_free(&parts[i]);
        pare_selection_free(&both);
    }
    close_model(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_the_model_itself),
        cmocka_unit_test(parameters_by_hand),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(hidden_channels_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
