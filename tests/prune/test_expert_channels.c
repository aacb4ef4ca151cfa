/* Channels inside experts, of what all tokens reach beside them and of dense layers: which stay, what is written and
 * its loss are what torch and transformers make of the same models (tests/data/expert_channels.json); in several rounds
 * and with heads, too; experts that no token reaches are named; what cannot be is refused in one sentence with nothing
 * written. */
#include "family_place.h"
#include "model/expert_tensors.h"
#include "report/manifest.h"
#include "report/manifest_read.h"

#define CHANNELS_GOLDEN PARE_SOURCE_DIR "/tests/data/expert_channels.json"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN), load_json(CHANNELS_GOLDEN));
}

/* Channels alone, in one round. */
static pare_prune_options options_of(const place *p, const char *method, double ratio) {
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.output = p->output;
    options.force = true;
    options.method = method;
    options.ratio = ratio;
    options.attention = (pare_layers){.given = true};
    options.calibration = calibration_on(p);
    return options;
}

static pare_status run(const place *p, const pare_prune_options *options, json_t **report) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    char *text = NULL;
    *report = NULL;
    PARE_TRY(pare_prune(p->m.model, options, &runtime, &text));
    *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    return PARE_OK;
}

static json_t *prune(const place *p, const pare_prune_options *options) {
    json_t *report;
    if (run(p, options, &report) != PARE_OK) fail_msg("%s: %s", options->method, pare_message());
    return report;
}

static pare_model *written(const place *p) {
    pare_model *model;
    if (pare_model_open(p->output, &model) != PARE_OK) fail_msg("%s", pare_message());
    return model;
}

static void check_kept(const char *name, const json_t *report, const json_t *row) {
    const json_t *layers = json_object_get(report, "layers"), *wanted = json_object_get(row, "layers");
    assert_int_equal(json_array_size(layers), json_array_size(wanted));
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *found = json_array_get(layers, i), *ffn = json_object_get(json_array_get(wanted, i), "ffn");
        const json_t *experts = json_object_get(json_array_get(wanted, i), "experts");
        if (ffn && !json_equal(json_object_get(found, "ffn_channels_kept"), ffn))
            fail_msg("%s: other channels stay in layer %zu", name, i);
        if (!experts) assert_null(json_object_get(found, "expert_channels_kept"));
        if (experts && !json_equal(json_object_get(found, "expert_channels_kept"), experts))
            fail_msg("%s: other channels of experts stay in layer %zu", name, i);
    }
}

static void check_tensors(const pare_model *model, const json_t *tensors) {
    size_t i;
    json_t *entry;
    json_array_foreach(tensors, i, entry) {
        const char *name = json_string_value(json_array_get(entry, 0));
        const json_t *shape = json_array_get(entry, 1);
        const pare_tensor *tensor = pare_checkpoint_find(model->checkpoint, name);
        if (!tensor) fail_msg("%s is missing", name);
        assert_int_equal(tensor->rank, json_array_size(shape));
        for (size_t axis = 0; axis < json_array_size(shape); axis++)
            assert_int_equal(tensor->shape[axis], json_integer_value(json_array_get(shape, axis)));
    }
    assert_int_equal(pare_checkpoint_count(model->checkpoint), json_array_size(tensors));
}

/* Keys that the file leaves to the class need not be stated. */
static void check_config(const place *p, const json_t *wanted) {
    char *path = pare_path_join(p->output, "config.json");
    json_t *config = load_json(path), *value;
    const char *key;
    int stated = 0;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) {
        const json_t *found = json_object_get(config, key);
        stated += found != NULL;
        if (found && !json_equal(found, value)) fail_msg("%s is another", key);
    }
    assert_true(stated > 0);
    json_decref(config);
    free(path);
}

static void check_written(const expected *e, const place *p, const char *name, const json_t *row) {
    pare_model *model = written(p);
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    bool fitted = strcmp(json_string_value(json_object_get(row, "method")), "obs") == 0; /* by Gram matrices in fp32 */
    assert_close(name, loss, family_number(row, "loss"), fitted ? 1e-5 : 1e-6);
    if (json_object_get(row, "tensors")) check_tensors(model, json_object_get(row, "tensors"));
    if (json_object_get(row, "config")) check_config(p, json_object_get(row, "config"));
    pare_model_close(model);
}

/* pruning.json is read back as what stays. */
static void check_manifest(const place *p, const json_t *report) {
    pare_manifest manifest;
    if (pare_manifest_read(p->output, p->m.model, &manifest) != PARE_OK) fail_msg("%s", pare_message());
    json_t *layers = pare_report_layers(&manifest.kept);
    assert_true(json_equal(layers, json_object_get(report, "layers")));
    json_decref(layers);
    pare_selection_free(&manifest.kept);
}

static void channels_go_as_transformers_has_it(void **state) {
    const expected *e = *state;
    double ratio = family_number(e->golden, "ratio");
    size_t i, j;
    json_t *one, *row;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        place p = place_open(e, family_name(one));
        json_array_foreach(json_object_get(one, "rows"), j, row) {
            pare_prune_options options = options_of(&p, json_string_value(json_object_get(row, "method")), ratio);
            json_t *report = prune(&p, &options);
            check_kept(family_name(one), report, row);
            check_written(e, &p, family_name(one), row);
            check_manifest(&p, report);
            json_decref(report);
        }
        place_close(&p);
    }
}

/* All that scores units by gradients or not at all; the check after writing holds what is on disk against the dense
 * model with the same channels off. */
static void every_method_narrows_experts(void **state) {
    static const char *const methods[] = {"moreau",        "moreau-gs",      "moreau-l1",  "taylor-rownorm", "random",
                                          "taylor-vector", "taylor-entropy", "smoothgrad", "magnitude-l2"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        place p = place_open(*state, i % 2 ? "granitemoe plain" : "qwen2_moe every second layer");
        pare_prune_options options = options_of(&p, methods[i], 0.5);
        options.attention.given = false;
        json_decref(prune(&p, &options));
        pare_model *model = written(&p);
        const pare_config *before = &p.m.model->config, *after = &model->config;
        assert_int_equal(2 * after->widths[0].kv_heads, before->widths[0].kv_heads);
        assert_int_equal(2 * after->experts.width, before->experts.width);
        assert_int_equal(2 * after->widths[0].ffn, before->widths[0].ffn);
        pare_model_close(model);
        place_close(&p);
    }
}

/* Rows of `part` of an expert, or its bias's elements, are those that the report says it kept. */
static void check_rows(const pare_model *left, const pare_model *whole, size_t left_id, size_t whole_id,
                       const json_t *kept) {
    const pare_tensor *now = left->tensors[left_id], *before = whole->tensors[whole_id];
    size_t count = json_array_size(kept), columns = now->count / count;
    float *values = malloc(columns * sizeof *values), *wanted = malloc(columns * sizeof *wanted);
    assert_int_equal(now->count % count, 0);
    for (size_t k = 0; k < count; k++) {
        size_t row = (size_t)json_integer_value(json_array_get(kept, k));
        pare_tensor_values(now, k * columns, columns, values);
        pare_tensor_values(before, row * columns, columns, wanted);
        assert_memory_equal(values, wanted, columns * sizeof *values);
    }
    free(values);
    free(wanted);
}

/* Two rounds leave as many as one, and what they say they kept is what is written and counted. */
static void rounds_follow_each_other(void **state) {
    static const char *const names[] = {"qwen2_moe", "granitemoe", "gpt_oss"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place p = place_open(*state, names[i]);
        pare_prune_options options = options_of(&p, "taylor", 0.5);
        options.iterations = 2;
        json_t *report = prune(&p, &options);
        check_manifest(&p, report);
        const json_t *layer = json_array_get(json_object_get(report, "layers"), 1);
        const json_t *kept = json_array_get(json_object_get(layer, "expert_channels_kept"), 3);
        pare_model *model = written(&p);
        const pare_config *c = &model->config;
        assert_int_equal(2 * c->experts.width, p.m.model->config.experts.width);
        assert_int_equal(json_array_size(kept), c->experts.width);
        const pare_config *whole = &p.m.model->config;
        check_rows(model, p.m.model, pare_tensor_id_expert(c, 1, 3, PARE_EXPERT_UP),
                   pare_tensor_id_expert(whole, 1, 3, PARE_EXPERT_UP), kept);
        if (c->experts.biased)
            check_rows(model, p.m.model, pare_tensor_id_expert_bias(c, 1, 3, PARE_EXPERT_UP),
                       pare_tensor_id_expert_bias(whole, 1, 3, PARE_EXPERT_UP), kept);
        const json_t *parameters = json_object_get(report, "parameters");
        assert_int_equal(json_integer_value(json_object_get(parameters, "after")), pare_model_parameters(model));
        json_decref(report);
        pare_model_close(model);
        place_close(&p);
    }
}

static bool warns(const json_t *report, const char *part) {
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(report, "warnings"), i,
                       warning) if (strstr(json_string_value(warning), part)) return true;
    return false;
}

/* A few tokens reach few of twelve experts. */
static void silent_experts_are_named(void **state) {
    static const char *const methods[] = {"taylor", "wanda-structured", "magnitude-l1", "obs"};
    for (size_t i = 0; i < 4; i++) {
        place p = place_open(*state, "deepseek_v3");
        pare_prune_options options = options_of(&p, methods[i], 0.25);
        options.calibration.samples = 1;
        options.calibration.length = 4;
        json_t *report = prune(&p, &options);
        assert_int_equal(warns(report, "no token of the calibration text reaches"), i < 2);
        assert_int_equal(warns(report, "experts see fewer tokens of the calibration text than they have inputs"),
                         i == 3);
        json_decref(report);
        place_close(&p);
    }
}

/* Behind a choice by scores, and with heads: the same channels, and errors that are no larger than without a fit. */
static void what_stays_is_fitted(void **state) {
    static const struct {
        const char *name, *method, *compensate;
        bool heads;
    } fitted[] = {{"qwen2_moe", "wanda-structured", "ls", false},
                  {"granitemoe plain", "magnitude-l2", "ls", true},
                  {"qwen3_moe normalised, one dense", "best", NULL, true},
                  {"deepseek_v3", "obs", NULL, false},
                  {"mixtral", "obs", NULL, true}};
    for (size_t i = 0; i < sizeof fitted / sizeof *fitted; i++) {
        const pare_setting settings[] = {{"compensate", fitted[i].compensate}};
        place p = place_open(*state, fitted[i].name);
        pare_prune_options options = options_of(&p, fitted[i].method, 0.5);
        size_t j;
        json_t *layer;
        options.settings = settings;
        options.setting_count = fitted[i].compensate != NULL;
        if (fitted[i].heads) options.attention.given = false;
        json_t *report = prune(&p, &options);
        json_array_foreach(json_object_get(report, "repair"), j, layer) {
            const json_t *error = json_object_get(json_object_get(layer, "ffn"), "error");
            assert_non_null(error);
            assert_true(family_number(error, "after") <= family_number(error, "before"));
        }
        check_manifest(&p, report);
        json_decref(report);
        place_close(&p);
    }
}

static char *bytes_of(const place *p, size_t *size) {
    char *path = pare_path_join(p->output, "model.safetensors"), *text;
    assert_int_equal(pare_file_read(path, 1 << 24, &text, size), PARE_OK);
    free(path);
    return text;
}

/* Where memory has room for fewer experts at once they are looked at in more runs, and nothing else changes: the limit
 * goes down until the run is refused. */
static void groups_of_experts_change_nothing(void **state) {
    place p = place_open(*state, "olmoe");
    pare_prune_options options = options_of(&p, "obs", 0.5);
    uint64_t least = 0;
    size_t size, other;
    options.calibration.samples = 1; /* so that micro-batches stay the same */
    options.calibration.length = 8;
    json_t *report = prune(&p, &options);
    const json_t *plan = json_object_get(json_object_get(report, "memory"), "plan");
    uint64_t held = (uint64_t)json_integer_value(json_object_get(plan, "repair"));
    char *all = bytes_of(&p, &size);
    json_decref(report);
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32, .memory_limit = held + (1 << 18)};
    for (char *text; pare_prune(p.m.model, &options, &runtime, &text) == PARE_OK; runtime.memory_limit -= 1 << 12) {
        char *some = bytes_of(&p, &other);
        least = runtime.memory_limit;
        assert_int_equal(size, other);
        assert_memory_equal(all, some, size);
        pare_free(some);
        pare_text_free(text);
    }
    assert_true(least > 0 && least + 4 * 4 * 40 * 40 <= held); /* four Gram matrices fewer */
    assert_non_null(strstr(pare_message(), "raise --memory"));
    pare_free(all);
    place_close(&p);
}

static void what_cannot_be_is_refused(void **state) {
    static const struct {
        const char *name, *method;
        double ratio;
        bool heads, some;
        const char *part;
    } refused[] = {
        {"mixtral", "gates", 0.5, false, false, "a gate of every unit"},
        {"mixtral", "taylor", 0.97, false, false, "would leave the experts of layer 0 without a single channel"},
        {"mixtral", "taylor", 0.5, false, true, "has one width for the experts of all layers"},
        {"olmoe", "taylor", 0.5, true, false, "channels alone (--attention-layers none)"},
        {"deepseek_v3", "taylor", 0.5, true, false, "attends over latents"},
        {"deepseek_v3", "best", 0.5, false, false, "a share of the dense model in targets"},
        {"mixtral", "flap", 0.5, false, false, "needs a bias of every matrix that loses something"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        place p = place_open(*state, refused[i].name);
        pare_prune_options options = options_of(&p, refused[i].method, refused[i].ratio);
        json_t *report;
        if (refused[i].heads) options.attention.given = false;
        if (refused[i].some) options.ffn = (pare_layers){.given = true, .begin = 1, .end = 2};
        assert_true(run(&p, &options, &report) != PARE_OK);
        if (!strstr(pare_message(), refused[i].part))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), refused[i].part);
        assert_null(strchr(pare_message(), '\n'));
        prune_run_assert_holds(p.folder, "");
        place_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_go_as_transformers_has_it),
        cmocka_unit_test(every_method_narrows_experts),
        cmocka_unit_test(rounds_follow_each_other),
        cmocka_unit_test(silent_experts_are_named),
        cmocka_unit_test(what_stays_is_fitted),
        cmocka_unit_test(groups_of_experts_change_nothing),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
