/* Halves of blocks without a single unit: of every family, what is written of them, without their tensors, is read
 * again and computes what the dense model does with the half's outputs switched off. */
#include "model/families.h"
#include "model/family.h"
#include "model/names.h"
#include "support/memory.h"
#include "surgery/cut.h"
#include "surgery/mask.h"

/* Bits: the halves of the last layer that go. */
enum { ATTENTION = 1, FFN = 2, BOTH = 3 };

static void select_halves(const pare_model *model, int halves, pare_selection *selection) {
    uint32_t last = model->config.layers - 1;
    assert_int_equal(pare_selection_all(model, selection), PARE_OK);
    pare_kept *kept = &selection->layer[last];
    if (halves & ATTENTION) assert_int_equal(pare_kept_set_groups(model, last, NULL, 0, kept), PARE_OK);
    if (halves & FFN) assert_int_equal(pare_kept_set_channels(NULL, 0, kept), PARE_OK);
}

/* Into a fresh folder; freed with free(). */
static char *write_cut(const pare_model *model, const pare_selection *selection) {
    char *folder = tiny_folder(), *config;
    pare_config_kind kind;
    assert_int_equal(pare_cut_write(model, selection, NULL, folder, NULL), PARE_OK);
    assert_int_equal(pare_cut_config(model, selection, &config, &kind), PARE_OK);
    assert_int_equal(kind, PARE_CONFIG_PER_LAYER);
    tiny_write_text(folder, "config.json", config);
    free(config);
    return folder;
}

/* Neither tensors without elements, where config.json tells, nor the norm in front, unless the other half reads it. */
static void expect_absent(const pare_model *model, int halves) {
    const pare_architecture *a = &model->config.architecture;
    char name[PARE_NAME_BYTES];
    uint32_t last = model->config.layers - 1;
    bool stated = !model->config.family->fixed_ffn;
    for (size_t i = 0; stated && i < pare_checkpoint_count(model->checkpoint); i++)
        assert_true(pare_checkpoint_at(model->checkpoint, i)->count > 0);
    pare_layer_tensor_name(&model->config, last, PARE_ROLE_INPUT_NORM, name);
    bool wanted = !(halves & ATTENTION) || (a->shared_norm && !(halves & FFN));
    if (!pare_has_role(a, PARE_ROLE_INPUT_NORM)) return;
    if ((pare_checkpoint_find(model->checkpoint, name) != NULL) != wanted)
        fail_msg("%s, %d: %s is%s there", model->config.model_type, halves, name, wanted ? " not" : "");
}

static void check(const families *all, const json_t *one, int halves, const pare_backend *backend) {
    family_model m = family_open(one, (family_form){0});
    size_t count = (size_t)FAMILY_TOKENS * m.model->config.vocabulary;
    pare_selection selection;
    pare_model *written;
    pare_mask mask;
    select_halves(m.model, halves, &selection);
    char *folder = write_cut(m.model, &selection);
    if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
    const pare_widths *w = &written->config.widths[written->config.layers - 1];
    assert_true(!w->heads == !!(halves & ATTENTION) && !w->kv_heads == !w->heads && !w->ffn == !!(halves & FFN));
    assert_int_equal(pare_model_parameters(written), pare_selection_parameters(m.model, &selection));
    expect_absent(written, halves);
    assert_int_equal(pare_mask_new(m.model, &selection, NULL, &mask), PARE_OK);
    pare_source dense = {.model = m.model, .backend = backend}, masked = dense;
    pare_source cut = {.model = written, .backend = backend};
    pare_mask_apply(&mask, &masked);
    float *a = family_logits(cut.model, &cut, all->ids), *b = family_logits(masked.model, &masked, all->ids),
          *c = family_logits(dense.model, &dense, all->ids);
    if (!(family_apart(a, b, count) <= 2e-5))
        fail_msg("%s, %d: %g", family_name(one), halves, family_apart(a, b, count));
    assert_true(family_apart(a, c, count) > 1e-3);
    free(a), free(b), free(c);
    pare_mask_free(&mask);
    pare_model_close(written);
    tiny_remove(folder);
    free(folder);
    pare_selection_free(&selection);
    family_close(&m);
}

static void every_family(void **state) {
    families all = families_load();
    size_t i;
    json_t *one;
    pare_backend *backend;
    (void)state;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) if (!json_is_true(json_object_get(one, "pictures")))
        check(&all, one, 1 + (int)(i % 3), backend);
    check(&all, json_array_get(all.cases, 0), ATTENTION, backend);
    check(&all, json_array_get(all.cases, 0), FFN, backend);
    check(&all, json_array_get(all.cases, 0), BOTH, backend);
    for (int halves = ATTENTION; halves <= BOTH; halves++)
        check(&all, family_case(&all, "phi"), halves, backend); /* one norm for both */
    pare_backend_close(backend);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_family)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
