/* Llama 4's experts, whose shares multiply what they read: which experts and which of their channels stay, what is
 * written and its loss are what torch and transformers make of the same models (tests/data/llama4_pruning.json); heads,
 * layers, single weights and reconstruction leave what is written as it is checked; merging, which takes shares for
 * factors of outputs, is refused. */
#include "family_place.h"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN),
                         load_json(PARE_SOURCE_DIR "/tests/data/llama4_pruning.json"));
}

typedef struct way {
    const char *method;
    double ratio, sparsity;
    bool attention;
    uint32_t dropped; /* this layer and no other; 0: none */
    pare_setting settings[2];
    const char *part; /* of the refusal; NULL: it is done */
} way;

static pare_status run(const place *p, const way *w, json_t **report) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    const pare_layers drop = {.given = true, .begin = (int32_t)w->dropped, .end = (int32_t)w->dropped + 1};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    char *text = NULL;
    options.output = p->output;
    options.force = true;
    options.method = w->method;
    options.ratio = w->ratio;
    options.sparsity = (pare_sparsity){.given = w->sparsity > 0, .share = w->sparsity};
    options.attention = (pare_layers){.given = !w->attention && w->ratio > 0 && !w->settings[0].key};
    options.settings = w->settings;
    options.setting_count = (size_t)(w->settings[0].key != NULL) + (w->settings[1].key != NULL);
    options.drops = w->dropped ? &drop : NULL;
    options.drop_count = w->dropped ? 1 : 0;
    if (!w->dropped) options.calibration = calibration_on(p);
    *report = NULL;
    PARE_TRY(pare_prune(p->m.model, &options, &runtime, &text));
    *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    return PARE_OK;
}

static void check_layers(const char *name, const json_t *report, const json_t *wanted) {
    static const char *const keys[][2] = {
        {"kept", "experts_kept"}, {"ffn", "ffn_channels_kept"}, {"experts", "expert_channels_kept"}};
    const json_t *layers = json_object_get(report, "layers");
    assert_int_equal(json_array_size(layers), json_array_size(wanted));
    for (size_t i = 0; i < json_array_size(wanted); i++)
        for (size_t k = 0; k < 3; k++) {
            const json_t *list = json_object_get(json_array_get(wanted, i), keys[k][0]);
            if (list && !json_equal(json_object_get(json_array_get(layers, i), keys[k][1]), list))
                fail_msg("%s: %s of layer %zu are others", name, keys[k][1], i);
        }
}

static void check_written(const expected *e, const place *p, const char *name, const json_t *row) {
    pare_model *model;
    size_t i;
    json_t *entry;
    if (pare_model_open(p->output, &model) != PARE_OK) fail_msg("%s", pare_message());
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    assert_close(name, loss, family_number(row, "loss"), 1e-6);
    json_array_foreach(json_object_get(row, "tensors"), i, entry) {
        const pare_tensor *tensor =
            pare_checkpoint_find(model->checkpoint, json_string_value(json_array_get(entry, 0)));
        const json_t *shape = json_array_get(entry, 1);
        if (!tensor) fail_msg("%s is missing", json_string_value(json_array_get(entry, 0)));
        for (size_t axis = 0; axis < json_array_size(shape); axis++)
            assert_int_equal(tensor->shape[axis], json_integer_value(json_array_get(shape, axis)));
    }
    assert_int_equal(pare_checkpoint_count(model->checkpoint), json_array_size(json_object_get(row, "tensors")));
    pare_model_close(model);
}

static void experts_and_channels_go_as_transformers_has_it(void **state) {
    const expected *e = *state;
    size_t i, j;
    json_t *one, *row, *report;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        place p = place_open(e, family_name(one));
        json_array_foreach(json_object_get(one, "rows"), j, row) {
            way w = {.method = json_string_value(json_object_get(row, "method")), .ratio = family_number(row, "ratio")};
            if (strcmp(w.method, "wanda-structured") != 0) w.settings[0] = (pare_setting){"mode", "expert"};
            if (run(&p, &w, &report) != PARE_OK) fail_msg("%s: %s", w.method, pare_message());
            check_layers(w.method, report, json_object_get(row, "layers"));
            check_written(e, &p, w.method, row);
            json_decref(report);
        }
        place_close(&p);
    }
}

/* Every run holds what it wrote against the model in memory. */
static void other_ways(void **state) {
    static const way ways[] = {
        {.method = "taylor", .ratio = 0.5, .attention = true},
        {.method = "obs", .ratio = 0.5, .attention = true},
        {.method = "best", .ratio = 0.3, .attention = true},
        {.method = "taylor", .ratio = 0.25, .settings = {{"mode", "channel"}}},
        {.method = "expert-taylor", .ratio = 0.34, .settings = {{"mode", "expert"}}},
        {.method = "reap", .ratio = 0.34, .settings = {{"mode", "expert"}, {"compensate", "ls"}}},
        {.method = "reap", .ratio = 0.34, .settings = {{"mode", "expert"}, {"reconstruct", "5"}}},
        {.method = "wanda", .sparsity = 0.5},
        {.method = "best-sparse", .sparsity = 0.5},
        {.dropped = 1},
        {.method = "reap",
         .ratio = 0.34,
         .settings = {{"mode", "expert"}, {"experts", "merge"}},
         .part = "--experts merge takes them"},
    };
    static const char *const names[] = {"llama4_text", "llama4_text two of six, plain"};
    for (size_t i = 0; i < 2 * sizeof ways / sizeof *ways; i++) {
        const way *w = &ways[i / 2];
        json_t *report;
        place p = place_open(*state, names[i % 2]);
        pare_status status = run(&p, w, &report);
        if (!w->part && status != PARE_OK) fail_msg("%s: %s", names[i % 2], pare_message());
        if (w->part && (status != PARE_UNSUPPORTED || !strstr(pare_message(), w->part)))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), w->part);
        if (w->part) prune_run_assert_holds(p.folder, "");
        json_decref(report);
        place_close(&p);
    }
}

/* What reads pictures is carried over, and is as wide as the language model. */
static void pictures_are_carried_over(void **state) {
    static const way ways[] = {{.method = "reap", .ratio = 0.34, .settings = {{"mode", "expert"}}},
                               {.method = "taylor", .ratio = 0.5, .attention = true},
                               {.dropped = 1},
                               {.method = "taylor",
                                .ratio = 0.5,
                                .settings = {{"mode", "channel"}},
                                .part = "other parts that are as wide as the language model"}};
    static const char tower[] = "vision_model.class_embedding";
    place p = place_open(*state, "llama4 with pictures");
    const pare_tensor *before = pare_checkpoint_find(p.m.model->checkpoint, tower);
    assert_non_null(before);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        json_t *report;
        pare_model *left = NULL;
        pare_status status = run(&p, &ways[i], &report);
        if (ways[i].part) {
            assert_int_equal(status, PARE_UNSUPPORTED);
            assert_non_null(strstr(pare_message(), ways[i].part));
            continue;
        }
        if (status != PARE_OK || pare_model_open(p.output, &left) != PARE_OK) fail_msg("%s", pare_message());
        const pare_tensor *after = pare_checkpoint_find(left->checkpoint, tower);
        assert_non_null(after);
        assert_memory_equal(after->data, before->data, before->bytes);
        json_decref(report);
        pare_model_close(left);
    }
    place_close(&p);
}

/* A layer that goes takes its entries of all lists along. */
static void lists_lose_dropped_layers(void **state) {
    static const way drop = {.dropped = 1};
    json_t *report;
    place p = place_open(*state, "llama4_text");
    assert_int_equal(run(&p, &drop, &report), PARE_OK);
    json_decref(report);
    char *path = pare_path_join(p.output, "config.json");
    json_t *config = load_json(path), *moe = json_loads("[2]", 0, NULL), *turned = json_loads("[1, 1, 0]", 0, NULL);
    json_t *types = json_loads("[\"chunked_attention\", \"chunked_attention\", \"full_attention\"]", 0, NULL);
    assert_true(json_equal(json_object_get(config, "moe_layers"), moe));
    assert_true(json_equal(json_object_get(config, "no_rope_layers"), turned));
    assert_true(json_equal(json_object_get(config, "layer_types"), types));
    json_decref(config);
    json_decref(moe);
    json_decref(turned);
    json_decref(types);
    free(path);
    place_close(&p);
}

static double loss_with(const expected *e, const char *key, const char *value, json_t **left) {
    const json_t *one = family_case(&e->all, "llama4_text");
    static const way drop = {.dropped = 1};
    json_t *config = json_deep_copy(json_object_get(one, "config")), *report;
    if (key) json_object_set_new(config, key, json_loads(value, JSON_DECODE_ANY, NULL));
    place p = place_of(e, one, (family_form){.config = config});
    double loss = family_forward(p.m.model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    assert_int_equal(run(&p, &drop, &report), PARE_OK);
    char *path = pare_path_join(p.output, "config.json");
    *left = load_json(path);
    free(path);
    json_decref(report);
    json_decref(config);
    place_close(&p);
    return loss;
}

/* The published files have an empty list of layers that rotate, and a number for what is true. */
static void usual_values_in_odd_forms(void **state) {
    static const char *const odd[][2] = {{"no_rope_layers", "[]"}, {"attn_temperature_tuning", "4"}};
    json_t *plain, *other;
    double loss = loss_with(*state, NULL, NULL, &plain);
    for (size_t i = 0; i < 2; i++) {
        assert_close(odd[i][0], loss_with(*state, odd[i][0], odd[i][1], &other), loss, 1e-12);
        assert_true(json_equal(json_object_get(plain, "no_rope_layers"), json_object_get(other, "no_rope_layers")));
        json_decref(other);
    }
    json_t *untuned;
    assert_true(fabs(loss_with(*state, "attn_temperature_tuning", "0", &untuned) - loss) > 1e-6);
    json_decref(untuned);
    json_decref(plain);
}

/* PEFT would read factors of experts the other way round. */
static void no_adapter_holds_experts(void **state) {
    static const char *const attention[] = {"q_proj,v_proj"};
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    place p = place_open(*state, "llama4_text");
    for (int all = 0; all < 2; all++) {
        pare_recover_options options = PARE_RECOVER_OPTIONS_INIT;
        char *report = NULL;
        options.data = p.ids;
        options.output = p.output;
        options.adapter = true;
        options.steps = 1;
        options.targets = all ? NULL : attention;
        options.target_count = all ? 0 : 1;
        options.force = true;
        pare_status status = pare_recover(p.m.model, &options, &runtime, &report);
        if (status != (all ? PARE_UNSUPPORTED : PARE_OK)) fail_msg("%s", pare_message());
        if (all) assert_non_null(strstr(pare_message(), "PEFT takes the inputs of experts"));
        pare_text_free(report);
    }
    place_close(&p);
}

/* Values that mean nothing, or something else, are refused by their keys. */
static void odd_values_are_named(void **state) {
    const expected *e = *state;
    static const char *const odd[][2] = {
        {"attention_chunk_size", "0"}, {"attention_chunk_size", "\"large\""},
        {"moe_layers", "3"},           {"moe_layers", "[\"one\"]"},
        {"no_rope_layers", "[1, 0]"},  {"layer_types", "[\"sliding_attention\", \"\", \"\", \"\"]"},
        {"floor_scale", "0"},          {"attn_scale", "-1"},
        {"use_qk_norm", "2"},          {"interleave_moe_layer_step", "0"}};
    const json_t *one = family_case(&e->all, "llama4_text");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        json_t *config = json_deep_copy(json_object_get(one, "config"));
        json_object_set_new(config, odd[i][0], json_loads(odd[i][1], JSON_DECODE_ANY, NULL));
        char *folder = family_write(one, (family_form){.config = config});
        pare_model *model;
        assert_true(pare_model_open(folder, &model) != PARE_OK);
        if (!strstr(pare_message(), odd[i][0])) fail_msg("\"%s\" does not name %s", pare_message(), odd[i][0]);
        assert_null(strchr(pare_message(), '\n'));
        json_decref(config);
        tiny_remove(folder);
        free(folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(experts_and_channels_go_as_transformers_has_it),
        cmocka_unit_test(other_ways),
        cmocka_unit_test(pictures_are_carried_over),
        cmocka_unit_test(lists_lose_dropped_layers),
        cmocka_unit_test(usual_values_in_odd_forms),
        cmocka_unit_test(no_adapter_holds_experts),
        cmocka_unit_test(odd_values_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
