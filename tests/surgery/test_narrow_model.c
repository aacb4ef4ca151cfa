/* A model seen through narrower tensors says what the dense one does with the same units switched off: of every family,
 * and of weights that are packed, transposed, or in a dtype of their own. */
#include "model/families.h"
#include "select/select.h"
#include "support/memory.h"
#include "surgery/kept_values.h"
#include "surgery/mask.h"
#include "surgery/narrow_model.h"

static const float some_bias = 0.25f;

/* Every other unit, from the second on; a single one stays. */
static uint32_t every_other(uint32_t all, uint32_t *list) {
    uint32_t count = 0;
    for (uint32_t i = 1; i < all; i += 2)
        list[count++] = i;
    return count;
}

/* The slopes of ALiBi belong to the places of heads, which a mask keeps and a cut does not. */
static void select_some(const pare_model *model, pare_selection *selection) {
    const pare_config *config = &model->config;
    uint32_t list[1024];
    assert_int_equal(pare_selection_all(model, selection), PARE_OK);
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        pare_kept *kept = &selection->layer[layer];
        const pare_widths *w = &config->widths[layer];
        uint32_t groups = every_other(w->kv_heads, list);
        bool slopes = config->architecture.positions == PARE_POSITIONS_ALIBI;
        if (groups && !slopes) assert_int_equal(pare_kept_set_groups(model, layer, list, groups, kept), PARE_OK);
        uint32_t channels = every_other(w->ffn, list);
        if (layer) assert_int_equal(pare_kept_set_channels(list, channels, kept), PARE_OK);
    }
}

/* Outputs cut to their columns, and a little more in every weight: so that it is these that are read. */
static pare_repaired repair_outputs(const pare_model *model, const pare_selection *selection) {
    static const pare_role outputs[] = {PARE_ROLE_O, PARE_ROLE_DOWN};
    pare_repaired repaired = {.count = model->tensor_count};
    assert_int_equal(pare_alloc(&repaired.matrix, repaired.count, sizeof *repaired.matrix, "repaired"), PARE_OK);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int i = 0; i < 2; i++) {
            size_t id = pare_tensor_id(layer, outputs[i]), count;
            const pare_tensor *tensor = model->tensors[id];
            const pare_axes axes = pare_axes_of(model, selection, id);
            count = tensor->shape[0] * pare_axis_length(&axes.columns, tensor->shape[1]);
            float *values;
            assert_int_equal(pare_alloc(&values, count, sizeof *values, "values"), PARE_OK);
            assert_int_equal(pare_alloc(&repaired.matrix[id], tensor->bytes, 1, "values"), PARE_OK);
            assert_int_equal(pare_kept_elements(tensor, &axes, repaired.matrix[id]), PARE_OK);
            pare_to_float(values, repaired.matrix[id], tensor->dtype, count);
            for (size_t j = 0; j < count; j++)
                values[j] += some_bias * counted((uint32_t)id, (uint32_t)j) / 8;
            pare_from_float(repaired.matrix[id], tensor->dtype, values, count);
            pare_free(values);
        }
    return repaired;
}

static void forget(pare_repaired *repaired) {
    for (size_t id = 0; id < repaired->count; id++)
        pare_free(repaired->matrix[id]);
    pare_free(repaired->matrix);
}

/* 2e-5: sums in another order; norms over all heads are scaled and scaled back where they are masked. */
static void check(const families *all, const json_t *one, family_form form) {
    family_model m = family_open(one, form);
    const pare_model *model = m.model;
    pare_backend *backend;
    pare_selection selection;
    pare_mask mask;
    pare_narrow_model narrow;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    select_some(model, &selection);
    pare_repaired repaired = repair_outputs(model, &selection);
    pare_source dense = {.model = model, .backend = backend}, masked = dense, narrowed = dense;
    assert_int_equal(pare_mask_new(model, &selection, &repaired, &mask), PARE_OK);
    assert_int_equal(pare_narrow_model_new(model, &selection, &repaired, &narrow), PARE_OK);
    pare_mask_apply(&mask, &masked);
    pare_narrow_model_apply(&narrow, &narrowed);
    assert_true(narrow.model.config.widths[1].ffn < model->config.widths[1].ffn);
    size_t count = (size_t)FAMILY_TOKENS * model->config.vocabulary;
    float *a = family_logits(model, &narrowed, all->ids), *b = family_logits(model, &masked, all->ids);
    float *c = family_logits(model, &dense, all->ids);
    if (!(family_apart(a, b, count) <= 2e-5)) fail_msg("%s: %g", family_name(one), family_apart(a, b, count));
    assert_true(family_apart(a, c, count) > 1e-3);
    free(a), free(b), free(c);
    pare_narrow_model_free(&narrow);
    pare_mask_free(&mask);
    forget(&repaired);
    pare_selection_free(&selection);
    pare_backend_close(backend);
    family_close(&m);
}

static void every_family(void **state) {
    families all = families_load();
    size_t i;
    json_t *one;
    (void)state;
    json_array_foreach(all.cases, i, one) if (!json_is_true(json_object_get(one, "pictures")))
        check(&all, one, (family_form){.dtype = i % 2 ? PARE_DTYPE_F32 : PARE_DTYPE_F16});
    families_free(&all);
}

static void columns_must_be_repaired(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.layers = 2});
    pare_model *model;
    pare_selection selection;
    pare_narrow_model narrow;
    pare_repaired nothing = {0};
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_selection_all(model, &selection), PARE_OK);
    assert_int_equal(pare_narrow_model_new(model, &selection, &nothing, &narrow), PARE_OK);
    pare_narrow_model_free(&narrow);
    assert_int_equal(pare_kept_set_channels(NULL, 5, &selection.layer[1]), PARE_OK);
    assert_int_equal(pare_narrow_model_new(model, &selection, &nothing, &narrow), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "layers.1.mlp.down_proj"));
    pare_selection_free(&selection);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family),
        cmocka_unit_test(columns_must_be_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
