/* The smaller model computes what the dense one does with the removed units switched off, and the check after writing
 * finds a model that does not. */
#include "surgery/cut_model.h"
#include "surgery/mask.h"
#include "surgery/verify.h"

static const tiny_model layouts[] = {
    {.layers = 3, .scale = 0.3},
    {.layers = 4, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 31, .tied = true, .scale = 0.3},
    {.layers = 3, .hidden = 18, .heads = 12, .kv_heads = 4, .head_size = 10, .ffn = 41, .shards = 3, .scale = 0.3},
};

static void verify(const cut_model *c, const pare_repaired *repaired, const char *folder) {
    uint32_t ids[CUT_TOKENS];
    cut_model_ids(c->model, ids);
    if (pare_verify_written(c->model, &c->selection, repaired, folder, ids, CUT_TOKENS, NULL) != PARE_OK)
        fail_msg("%s", pare_message());
}

static void check_logits(tiny_model tiny, bool uneven, int kinds, bool repairs) {
    cut_model c = cut_model_open(tiny, uneven, 2);
    cut_model_reduce(&c, kinds, 2);
    pare_repaired matrices = cut_model_repaired(&c, 3), *repaired = repairs ? &matrices : NULL;
    char *folder = cut_model_write_repaired(&c, repaired);
    pare_model *written;
    pare_mask mask;
    assert_int_equal(pare_model_open(folder, &written), PARE_OK);
    assert_int_equal(pare_mask_new(c.model, &c.selection, repaired, &mask), PARE_OK);
    size_t count = (size_t)CUT_TOKENS * c.model->config.vocabulary;
    float *small = cut_model_logits(written, NULL), *masked = cut_model_logits(c.model, &mask);
    float *dense = cut_model_logits(c.model, NULL);
    assert_true(cut_model_apart(small, masked, count) < 1e-5);
    assert_true(cut_model_apart(small, dense, count) > 1e-3); /* so that the comparison says something */
    free(small);
    free(masked);
    free(dense);
    pare_mask_free(&mask);
    pare_model_close(written);
    if (tiny.dtype == PARE_DTYPE_BF16) verify(&c, repaired, folder);
    cut_model_repaired_free(&matrices);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&c);
}

static void the_written_model_is_the_masked_one(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        for (int dtype = 0; dtype < 3; dtype++)
            for (int uneven = 0; uneven < 2; uneven++) {
                tiny_model tiny = layouts[i];
                tiny.dtype = (pare_dtype)dtype;
                check_logits(tiny, uneven, 0, false);
            }
}

static void so_it_is_whatever_goes(void **state) {
    (void)state;
    for (int kinds = 1; kinds < CUT_KINDS; kinds++)
        for (int dtype = 0; dtype < 3; dtype++) {
            tiny_model tiny = layouts[1 + kinds % 2];
            tiny.dtype = (pare_dtype)dtype;
            check_logits(tiny, dtype % 2, kinds, false);
        }
}

static void so_it_is_with_repaired_weights(void **state) {
    (void)state;
    for (int kinds = 0; kinds < CUT_KINDS; kinds++)
        for (int dtype = 0; dtype < 3; dtype++) {
            tiny_model tiny = layouts[1 + kinds % 2];
            tiny.dtype = (pare_dtype)dtype;
            check_logits(tiny, dtype % 2, kinds, true);
        }
}

static void masks_stand_where_something_goes(void **state) {
    (void)state;
    cut_model c = cut_model_open(layouts[1], true, 2);
    pare_mask all;
    assert_int_equal(pare_mask_new(c.model, &c.selection, NULL, &all), PARE_OK);
    float **mask = all.column_scale;
    assert_null(all.replacement);
    for (size_t id = 0; id < c.model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        bool inside = pare_tensor_id_split(c.model, id, &layer, &role) && layer > 0;
        assert_null(all.row_scale[id]);
        assert_int_equal(mask[id] != NULL, inside && (role == PARE_ROLE_O || role == PARE_ROLE_DOWN));
        if (!mask[id]) continue;
        uint64_t columns = c.model->tensors[id]->shape[1], ones = 0;
        for (uint64_t i = 0; i < columns; i++) {
            assert_true(mask[id][i] == 0.0f || mask[id][i] == 1.0f);
            ones += mask[id][i] > 0.0f;
        }
        assert_int_equal(ones, role == PARE_ROLE_DOWN ? c.widths[layer].ffn : c.widths[layer].heads * 6);
    }
    pare_mask_free(&all);
    cut_model_close(&c);
}

/* Overwrites some bytes of the written weights. */
static void spoil(const char *folder, long from_end, const void *bytes, size_t count) {
    char *path = pare_path_join(folder, "model.safetensors");
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -from_end, SEEK_END), 0);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void a_spoilt_model_is_found(void **state) {
    (void)state;
    static const float wrong = 40.0f, no_number = NAN;
    for (int kind = 0; kind < 3; kind++) {
        cut_model c = cut_model_open(layouts[0], false, 2);
        char *folder = cut_model_write(&c);
        uint32_t ids[CUT_TOKENS];
        cut_model_ids(c.model, ids);
        assert_int_equal(pare_verify_written(c.model, &c.selection, NULL, folder, ids, CUT_TOKENS, NULL), PARE_OK);
        spoil(folder, 4, kind == 1 ? &wrong : &no_number, kind ? sizeof wrong : 0);
        assert_int_equal(pare_verify_written(c.model, &c.selection, NULL, folder, ids, CUT_TOKENS, NULL),
                         kind ? PARE_CHECK_FAILED : PARE_OK);
        if (kind) assert_non_null(strstr(pare_message(), folder));
        tiny_remove(folder);
        free(folder);
        cut_model_close(&c);
    }
}

/* Two selections of the same sizes: what was written with one is not what the other asks for. */
static void other_units_are_found(void **state) {
    (void)state;
    cut_model one = cut_model_open(layouts[2], false, 2), other = cut_model_open(layouts[2], false, 3);
    char *folder = cut_model_write(&one);
    uint32_t ids[CUT_TOKENS];
    cut_model_ids(one.model, ids);
    assert_int_equal(pare_verify_written(one.model, &one.selection, NULL, folder, ids, CUT_TOKENS, NULL), PARE_OK);
    assert_int_equal(pare_verify_written(one.model, &other.selection, NULL, folder, ids, CUT_TOKENS, NULL),
                     PARE_CHECK_FAILED);
    tiny_remove(folder);
    free(folder);
    cut_model_close(&one);
    cut_model_close(&other);
}

/* The same for hidden channels, where every tensor has the right shape, and for the layer that is gone. */
static void other_channels_and_layers_are_found(void **state) {
    (void)state;
    for (int kinds = CUT_HIDDEN; kinds <= CUT_LAYERS; kinds += CUT_LAYERS - CUT_HIDDEN) {
        cut_model one = cut_model_open(layouts[2], false, 2), other = cut_model_open(layouts[2], false, 2);
        cut_model_reduce(&one, kinds, 2);
        cut_model_reduce(&other, kinds & CUT_HIDDEN, 3);
        if (kinds & CUT_LAYERS) {
            pare_kept_drop(&other.selection.layer[1]);
            pare_kept_drop(&other.selection.layer[2]);
        }
        char *folder = cut_model_write(&one);
        uint32_t ids[CUT_TOKENS];
        cut_model_ids(one.model, ids);
        assert_int_equal(pare_verify_written(one.model, &other.selection, NULL, folder, ids, CUT_TOKENS, NULL),
                         PARE_CHECK_FAILED);
        tiny_remove(folder);
        free(folder);
        cut_model_close(&one);
        cut_model_close(&other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_written_model_is_the_masked_one),
        cmocka_unit_test(so_it_is_whatever_goes),
        cmocka_unit_test(so_it_is_with_repaired_weights),
        cmocka_unit_test(masks_stand_where_something_goes),
        cmocka_unit_test(a_spoilt_model_is_found),
        cmocka_unit_test(other_units_are_found),
        cmocka_unit_test(other_channels_and_layers_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
