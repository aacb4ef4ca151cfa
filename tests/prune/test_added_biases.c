/* --compensate bias on families without biases: those whose class can have them get them, and what is added to an
 * output is the mean of what its removed units gave; all others are refused before any work. */
#include "layerwise/biased.h"
#include "prune_run.h"

typedef struct place {
    biased b;
    char *folder, *output, *ids;
} place;

static place place_open(const char *name) {
    place p = {.b = biased_open(name), .folder = tiny_folder()};
    p.output = pare_path_join(p.folder, "output");
    p.ids = pare_path_join(p.b.m.folder, "ids.json");
    family_write_ids(&p.b.all, p.ids);
    return p;
}

static void place_close(place *p) {
    biased_close(&p->b);
    tiny_remove(p->folder);
    free(p->folder);
    free(p->output);
    free(p->ids);
}

typedef struct asked {
    const char *method, *mode;
    bool heads, ffn, weights, drops;
} asked;

static pare_status prune(const place *p, const asked *a, char **report) {
    static const pare_layers first = {true, 0, 1};
    pare_setting settings[] = {{"compensate", "bias"}, {"mode", a->mode}};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32, .scratch = p->folder};
    options.method = a->method;
    options.output = p->output;
    options.drops = a->drops ? &first : NULL;
    options.drop_count = a->drops;
    options.settings = settings;
    options.setting_count = a->mode ? 2 : 1;
    options.attention.given = !a->heads;
    options.ffn.given = !a->ffn;
    options.calibration =
        (pare_calibration_options){.source = p->ids, .samples = FAMILY_SEQUENCES, .length = FAMILY_LENGTH};
    if (a->weights)
        options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    else
        options.ratio = 0.5;
    return pare_prune(p->b.m.model, &options, &runtime, report);
}

/* The kept units of the first layer, as pruning.json lists them. */
static pare_selection kept_of(const place *p) {
    char *path = pare_path_join(p->output, "pruning.json");
    json_t *manifest = load_json(path);
    const json_t *layers = json_object_get(manifest, "layers");
    pare_selection kept;
    assert_int_equal(pare_selection_all(p->b.m.model, &kept), PARE_OK);
    const char *keys[] = {"kv_heads_kept", "ffn_channels_kept"};
    for (int stage = 0; stage < 2; stage++) {
        const json_t *list = json_object_get(json_array_get(layers, 0), keys[stage]);
        uint32_t units[256], count = (uint32_t)json_array_size(list);
        for (uint32_t i = 0; i < count; i++)
            units[i] = (uint32_t)json_integer_value(json_array_get(list, i));
        if (stage)
            assert_int_equal(pare_kept_set_channels(units, count, &kept.layer[0]), PARE_OK);
        else
            assert_int_equal(pare_kept_set_groups(p->b.m.model, 0, units, count, &kept.layer[0]), PARE_OK);
    }
    assert_true(json_array_size(json_object_get(manifest, "added_biases")) > 0);
    json_decref(manifest);
    free(path);
    return kept;
}

static void assert_zero(const pare_model *model, uint32_t layer, pare_role role) {
    const pare_tensor *bias = pare_model_tensor(model, layer, role);
    assert_false(pare_tensor_is_absent(bias));
    for (uint64_t i = 0; i < bias->count; i++)
        assert_true(((const float *)bias->data)[i] == 0.0f);
}

/* One stage at a time, so that nothing else comes between the mean and the bias. */
static void check_units(const char *name, const char *type, bool heads) {
    place p = place_open(name);
    const asked a = {.method = "magnitude-l2", .heads = heads, .ffn = !heads};
    char *report;
    pare_model *left;
    if (prune(&p, &a, &report) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    assert_int_equal(pare_model_open(p.output, &left), PARE_OK);
    assert_string_equal(left->config.model_type, type);
    pare_selection kept = kept_of(&p);
    biased_block dense = biased_run(&p.b, &p.b.source, 0), cut = biased_run_left(&p.b, &kept, NULL, 0);
    double *mean = malloc((size_t)p.b.hidden * sizeof *mean);
    double error = heads ? biased_error(dense.middle, cut.middle, p.b.hidden, mean)
                         : biased_error(dense.out, cut.out, p.b.hidden, mean);
    const pare_tensor *bias = pare_model_tensor(left, 0, heads ? PARE_ROLE_O_BIAS : PARE_ROLE_DOWN_BIAS);
    assert_int_equal(bias->count, p.b.hidden);
    double scale = pare_scale_or_one(left->config.architecture.residual_scale), size = sqrt(error / FAMILY_TOKENS);
    for (int64_t i = 0; i < p.b.hidden; i++) /* as sums of fp32 products are */
        assert_true(fabs(scale * (double)((const float *)bias->data)[i] - mean[i]) < 1e-5 * size);
    for (uint32_t layer = 0; layer < left->config.layers && strcmp(name, "qwen2"); layer++)
        assert_zero(left, layer, heads ? PARE_ROLE_K_BIAS : PARE_ROLE_UP_BIAS);
    free(mean);
    biased_block_free(&dense);
    biased_block_free(&cut);
    pare_selection_free(&kept);
    pare_model_close(left);
    pare_text_free(report);
    tiny_remove(p.output);
    prune_run_assert_holds(p.folder, ""); /* what the biases were kept in is gone, too */
    place_close(&p);
}

static void outputs_get_the_mean_of_what_went(void **state) {
    (void)state;
    check_units("llama", "llama", false);
    check_units("llama", "llama", true);
    check_units("granite", "granite", false);
    check_units("smollm3", "smollm3", true);
    check_units("qwen2", "seed_oss", false);
    check_units("qwen3", "qwen3", true);
    check_units("gemma", "gemma", true);
}

/* Every matrix of a LLaMA has a bias then, and what is not pruned is as it was. */
static void single_weights_get_theirs(void **state) {
    (void)state;
    place p = place_open("llama");
    const asked a = {.method = "wanda", .heads = true, .ffn = true, .weights = true};
    char *report;
    pare_model *left;
    if (prune(&p, &a, &report) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_model_open(p.output, &left), PARE_OK);
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        const pare_tensor *bias = pare_model_tensor(left, 0, pare_roles[role].bias);
        double sum = 0.0;
        for (uint64_t i = 0; i < bias->count; i++)
            sum += fabs((double)((const float *)bias->data)[i]);
        assert_true(sum > 0.0);
    }
    const pare_tensor *was = pare_model_tensor(p.b.m.model, 1, PARE_ROLE_POST_NORM);
    const pare_tensor *now = pare_model_tensor(left, 1, PARE_ROLE_POST_NORM);
    assert_memory_equal(was->data, now->data, was->bytes);
    pare_model_close(left);
    pare_text_free(report);
    place_close(&p);
}

/* The files of what dropped layers leave have no names any more. */
static void layers_may_go_first(void **state) {
    (void)state;
    place p = place_open("llama");
    const asked a = {.method = "flap", .heads = true, .ffn = true, .drops = true};
    char *report;
    pare_model *left;
    if (prune(&p, &a, &report) != PARE_OK) fail_msg("%s", pare_message());
    json_t *said = json_loads(report, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(said, "added_biases")), PARE_MATRIX_ROLES);
    assert_int_equal(pare_model_open(p.output, &left), PARE_OK);
    assert_int_equal(left->config.layers, p.b.m.model->config.layers - 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(said, "parameters"), "after")),
                     pare_model_parameters(left));
    json_decref(said);
    pare_model_close(left);
    pare_text_free(report);
    tiny_remove(p.output);
    prune_run_assert_holds(p.folder, "");
    place_close(&p);
}

static void assert_refused(const char *name, asked a, pare_status wanted, const char *why, const char *instead) {
    place p = place_open(name);
    char *report = NULL;
    pare_status status = prune(&p, &a, &report);
    if (status != wanted || !strstr(pare_message(), why) || !strstr(pare_message(), instead))
        fail_msg("%s: %d, %s", name, status, pare_message());
    prune_run_assert_holds(p.folder, "");
    place_close(&p);
}

static void others_are_refused(void **state) {
    (void)state;
    const asked both = {.method = "magnitude-l2", .heads = true, .ffn = true};
    assert_refused("qwen3", both, PARE_UNSUPPORTED, "Qwen3ForCausalLM has none of the down projection",
                   "--ffn-layers none");
    assert_refused("qwen3", both, PARE_UNSUPPORTED, "a model of a family that can have them", "(llama, qwen2, ");
    assert_refused("mistral window", both, PARE_UNSUPPORTED, "attention's output projection", "--compensate ls");
    assert_refused("phi3", both, PARE_UNSUPPORTED, "Phi3ForCausalLM", "--compensate ls");
    assert_refused("qwen3", (asked){.method = "wanda", .heads = true, .ffn = true, .weights = true}, PARE_UNSUPPORTED,
                   "gate projection", "--ffn-layers none");
    assert_refused("llama", (asked){.method = "magnitude-l2", .mode = "channel", .heads = true, .ffn = true},
                   PARE_BAD_ARGUMENT, "--compensate bias", "--mode block");
    assert_refused("llama", (asked){.method = "magnitude-l2", .mode = "layer", .heads = true, .ffn = true},
                   PARE_BAD_ARGUMENT, "--compensate bias", "--mode block");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_get_the_mean_of_what_went),
        cmocka_unit_test(single_weights_get_theirs),
        cmocka_unit_test(layers_may_go_first),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
