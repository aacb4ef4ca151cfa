/* Vision transformers without some of their layers, heads and FFN channels: config.json has the keys that the class of
 * transformers reads, and logits are those of the same model cut by hand there (tests/data/vision.json). */
#include "model/config_write.h"
#include "model/vision.h"
#include "select/selection.h"
#include "surgery/cut.h"

typedef struct numbers {
    uint32_t count, list[64];
} numbers;

static numbers numbers_of(const json_t *list) {
    numbers n = {.count = (uint32_t)json_array_size(list)};
    assert_true(n.count > 0 && n.count <= sizeof n.list / sizeof *n.list);
    for (uint32_t i = 0; i < n.count; i++)
        n.list[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static pare_selection selection_of(const pare_model *model, const json_t *pruned) {
    numbers layers = numbers_of(json_object_get(pruned, "layers"));
    pare_selection selection;
    uint32_t next = 0;
    assert_int_equal(pare_selection_all(model, &selection), PARE_OK);
    for (uint32_t i = 0; i < selection.layers; i++) {
        pare_kept *kept = &selection.layer[i];
        if (next == layers.count || layers.list[next] != i) {
            pare_kept_drop(kept);
            continue;
        }
        numbers heads = numbers_of(json_array_get(json_object_get(pruned, "heads"), next));
        numbers channels = numbers_of(json_array_get(json_object_get(pruned, "ffn"), next++));
        assert_int_equal(pare_kept_set_groups(model, i, heads.list, heads.count, kept), PARE_OK);
        assert_int_equal(pare_kept_set_channels(channels.list, channels.count, kept), PARE_OK);
    }
    assert_int_equal(next, layers.count);
    return selection;
}

/* What is cut is as the class has it; all else is as it was, or what it was by default. */
static void check_config(const json_t *one, const char *text) {
    static const char *const cut[] = {"num_hidden_layers", "num_attention_heads", "head_dim", "intermediate_size"};
    const json_t *wanted = json_object_get(json_object_get(one, "pruned"), "config");
    json_t *config = json_loads(text, 0, NULL), *before = json_object_get(one, "config"), *value;
    const char *key;
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        if (!json_equal(json_object_get(config, cut[i]), json_object_get(wanted, cut[i])))
            fail_msg("%s: %s is not as expected in %s", family_name(one), cut[i], text);
    json_object_foreach(config, key, value) {
        const json_t *was = json_object_get(before, key);
        if (!json_equal(value, json_object_get(wanted, key)) && !json_equal(value, was))
            fail_msg("%s: %s is not as expected in %s", family_name(one), key, text);
    }
    json_object_foreach(before, key, value) if (!json_object_get(config, key))
        fail_msg("%s: %s is missing in %s", family_name(one), key, text);
    json_decref(config);
}

static char *write_cut(const vision_model *m, const json_t *one, uint64_t *parameters) {
    char *folder = tiny_folder(), *config;
    pare_config_kind kind;
    pare_selection selection = selection_of(m->opened.model, json_object_get(one, "pruned"));
    assert_int_equal(pare_cut_write(m->opened.model, &selection, NULL, folder, NULL), PARE_OK);
    assert_int_equal(pare_cut_config(m->opened.model, &selection, &config, &kind), PARE_OK);
    *parameters = pare_selection_parameters(m->opened.model, &selection);
    check_config(one, config);
    tiny_write_text(folder, "config.json", config);
    free(config);
    pare_selection_free(&selection);
    return folder;
}

static void check_logits(const vision_model *m, const json_t *one, const pare_model *written) {
    const json_t *pruned = json_object_get(one, "pruned");
    float logits[VISION_PICTURES * 16];
    pare_backend *backend;
    pare_picture_scores scores;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    assert_int_equal(pare_model_share_album(written, m->opened.model), PARE_OK);
    pare_evaluation evaluation = {
        .model = written, .backend = backend, .windows = &m->windows, .name = family_name(one)};
    vision_logits(&evaluation, logits);
    double apart = vision_error(pruned, m->order, logits, written->config.vocabulary);
    if (!(apart <= 1e-5)) fail_msg("%s: logits are apart by %.2g of the largest", family_name(one), apart);
    assert_int_equal(pare_pictures_evaluate(&evaluation, m->opened.model, &scores, NULL), PARE_OK);
    assert_close(family_name(one), scores.loss, family_number(pruned, "loss"), 1e-6);
    assert_true(scores.kl > 1e-3);
    pare_backend_close(backend);
}

static void cut_as_by_hand(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN), *one;
    size_t i;
    json_array_foreach(json_object_get(golden, "cases"), i, one) {
        vision_model m = vision_open(one);
        pare_model *written;
        uint64_t parameters;
        char *folder = write_cut(&m, one, &parameters);
        if (pare_model_open(folder, &written) != PARE_OK) fail_msg("%s: %s", family_name(one), pare_message());
        assert_true(pare_model_parameters(written) == parameters);
        check_logits(&m, one, written);
        pare_model_close(written);
        tiny_remove(folder);
        free(folder);
        vision_close(&m);
    }
    assert_true(i >= 12);
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(cut_as_by_hand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
