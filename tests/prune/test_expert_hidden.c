/* Channels of the hidden state of models with experts, and with latents: which stay, what is written and its loss are
 * what torch and transformers make of the same models (tests/data/expert_hidden.json); by every method that removes
 * them elsewhere, in rounds, with heads where the class ties them, out of MXFP4, into GGUF files; what does not reach
 * them is refused in one sentence. */
#include "family_place.h"
#include "model/expert_tensors.h"

static int setup(void **state) {
    return expected_open(state, families_load_from(EXPERTS_GOLDEN),
                         load_json(PARE_SOURCE_DIR "/tests/data/expert_hidden.json"));
}

static pare_status run(const place *p, const char *output, const char *method, double ratio, uint32_t rounds,
                       const char *compensate) {
    const pare_setting settings[] = {{"mode", "channel"}, {"compensate", compensate}};
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    char *report = NULL;
    options.output = output;
    options.force = true;
    options.method = method;
    options.ratio = ratio;
    options.iterations = rounds;
    options.settings = settings;
    options.setting_count = compensate ? 2 : 1;
    options.calibration = calibration_on(p);
    pare_status status = pare_prune(p->m.model, &options, &runtime, &report);
    pare_text_free(report);
    return status;
}

static void prune(const place *p, const char *output, const char *method, double ratio) {
    if (run(p, output, method, ratio, 1, NULL) != PARE_OK) fail_msg("%s: %s", method, pare_message());
}

static pare_model *opened(const char *path) {
    pare_model *model;
    if (pare_model_open(path, &model) != PARE_OK) fail_msg("%s", pare_message());
    return model;
}

static void check_kept(const place *p, const char *name, const json_t *wanted) {
    char *path = pare_path_join(p->output, "pruning.json");
    json_t *manifest = load_json(path);
    if (!json_equal(json_object_get(manifest, "hidden_channels_kept"), wanted))
        fail_msg("%s: other channels stay", name);
    json_decref(manifest);
    free(path);
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

static double loss_of(const expected *e, const pare_model *model) {
    return family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
}

static void channels_go_as_transformers_has_it(void **state) {
    const expected *e = *state;
    double ratio = family_number(e->golden, "ratio");
    size_t i, j;
    json_t *one, *row;
    json_array_foreach(json_object_get(e->golden, "cases"), i, one) {
        place p = place_open(e, family_name(one));
        json_array_foreach(json_object_get(one, "rows"), j, row) {
            prune(&p, p.output, json_string_value(json_object_get(row, "method")), ratio);
            check_kept(&p, family_name(one), json_object_get(row, "kept"));
            pare_model *model = opened(p.output);
            assert_close(family_name(one), loss_of(e, model), family_number(row, "loss"), 1e-6);
            if (json_object_get(row, "tensors")) check_tensors(model, json_object_get(row, "tensors"));
            pare_model_close(model);
        }
        place_close(&p);
    }
}

/* Every run holds what it wrote against the dense model with the same channels off. */
static void every_method_removes_them(void **state) {
    static const struct {
        const char *name, *method;
    } rows[] = {{"mixtral", "moreau-gs"},      {"granitemoe plain", "smoothgrad"},
                {"gpt_oss mxfp4", "taylor"},   {"deepseek_v3", "moreau-l1"},
                {"glm4_moe_lite", "random"},   {"qwen2_moe", "taylor-vector"},
                {"olmoe", "taylor"},           {"olmoe", "magnitude-l2"},
                {"gpt_oss clamped", "moreau"}, {"qwen3_moe", "taylor-rownorm"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        place p = place_open(*state, rows[i].name);
        prune(&p, p.output, rows[i].method, 0.5);
        pare_model *model = opened(p.output);
        const pare_config *before = &p.m.model->config, *after = &model->config;
        assert_int_equal(2 * after->hidden, before->hidden);
        assert_int_equal(after->experts.count, before->experts.count);
        assert_int_equal(after->experts.width, before->experts.width);
        bool tied = strcmp(rows[i].name, "olmoe") == 0;
        assert_int_equal(after->widths[0].heads * (tied ? 2 : 1), before->widths[0].heads);
        pare_model_close(model);
        place_close(&p);
    }
}

/* What the report counts is what is left. */
static void rounds_follow_each_other(void **state) {
    static const char *const names[] = {"mixtral", "granitemoe", "gpt_oss", "deepseek_v2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place p = place_open(*state, names[i]);
        if (run(&p, p.output, "taylor", 0.5, 2, NULL) != PARE_OK) fail_msg("%s: %s", names[i], pare_message());
        char *path = pare_path_join(p.output, "pruning.json");
        json_t *manifest = load_json(path);
        pare_model *model = opened(p.output);
        const json_t *parameters = json_object_get(manifest, "parameters");
        assert_int_equal(json_integer_value(json_object_get(parameters, "after")), pare_model_parameters(model));
        assert_int_equal(2 * model->config.hidden, p.m.model->config.hidden);
        pare_model_close(model);
        json_decref(manifest);
        free(path);
        place_close(&p);
    }
}

/* Weights of fp32 are rounded to 16 bits there. */
static void gguf_files_hold_them(void **state) {
    const expected *e = *state;
    static const char *const names[] = {"mixtral", "granitemoe", "deepseek_v3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place p = place_open(e, names[i]);
        char *file = pare_path_join(p.folder, "left.gguf");
        prune(&p, p.output, "magnitude-l1", 0.25);
        prune(&p, file, "magnitude-l1", 0.25);
        pare_model *folder = opened(p.output), *gguf = opened(file);
        assert_close(names[i], loss_of(e, gguf), loss_of(e, folder), 1e-3);
        assert_int_equal(gguf->config.hidden, folder->config.hidden);
        pare_model_close(folder);
        pare_model_close(gguf);
        free(file);
        place_close(&p);
    }
}

static void what_cannot_be_is_refused(void **state) {
    static const struct {
        const char *name, *method, *compensate, *output, *part;
    } refused[] = {
        {"mixtral", "taylor", "ls", NULL, "a fit of what reads the hidden state's channels (--compensate)"},
        {"deepseek_v3", "taylor", "ls", NULL, "a fit of what reads the hidden state's channels (--compensate)"},
        {"mixtral", "taylor-second", NULL, NULL, "choose param_first"},
        {"qwen2_moe", "magnitude-l1", NULL, "left.gguf", "as many heads as make up the hidden size"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        place p = place_open(*state, refused[i].name);
        char *file = refused[i].output ? pare_path_join(p.folder, refused[i].output) : NULL;
        pare_status status = run(&p, file ? file : p.output, refused[i].method, 0.5, 1, refused[i].compensate);
        assert_true(status == PARE_UNSUPPORTED || status == PARE_BAD_ARGUMENT);
        if (!strstr(pare_message(), refused[i].part))
            fail_msg("\"%s\" does not say \"%s\"", pare_message(), refused[i].part);
        assert_null(strchr(pare_message(), '\n'));
        prune_run_assert_holds(p.folder, "");
        free(file);
        place_close(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_go_as_transformers_has_it), cmocka_unit_test(every_method_removes_them),
        cmocka_unit_test(rounds_follow_each_other),           cmocka_unit_test(gguf_files_hold_them),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
