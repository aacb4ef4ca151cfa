/* Every family, pruned in every way that makes sense: config.json and tensors as the class that transformers takes for
 * them has them, and its loss; or the sentence that refuses it (tests/data/family_pruning.json.gz). */
#include "family_place.h"
#include "packed.h"

/* Of losses, which hardly tell apart what is 1e-6 of the largest logit away. */
static const double bound = 1e-5;

static const json_t *rows_of(const expected *e) {
    return json_object_get(e->golden, "rows");
}

static int setup(void **state) {
    int status = expected_open(state, families_load(), load_packed("family_pruning.json.gz"));
    assert_true(json_array_size(rows_of(*state)) > 500);
    return status;
}

static const char *text_of(const json_t *row, const char *key) {
    return json_string_value(json_object_get(row, key));
}

/* The file has some models of its own. */
static const json_t *model_of(const expected *e, const char *name) {
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(e->golden, "models"), i,
                       one) if (strcmp(family_name(one), name) == 0) return one;
    return family_case(&e->all, name);
}

static place place_alone(const expected *e, const char *name) {
    return place_of(e, model_of(e, name), (family_form){.dtype = PARE_DTYPE_F32});
}

/* *parameters: what the report says is left. */
static pare_status prune(const place *p, const char *way, uint64_t *parameters) {
    static const pare_setting channels = {"mode", "channel"}, queries = {"gqa", "query"}, bias = {"compensate", "bias"};
    static const pare_layers first = {true, 0, 1};
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    bool hidden = strcmp(way, "hidden channels") == 0, query = strcmp(way, "query heads") == 0;
    bool layers = strcmp(way, "layers") == 0, pattern = strcmp(way, "2:4") == 0, biases = strcmp(way, "biases") == 0;
    char *report = NULL;
    options.output = p->output;
    options.method = layers ? NULL : pattern ? "magnitude" : "magnitude-l2";
    options.ratio = layers || pattern ? 0.0 : hidden || strcmp(way, "a quarter") == 0 ? 0.25 : 0.5;
    options.settings = hidden ? &channels : biases ? &bias : &queries;
    options.setting_count = hidden || query || biases;
    options.calibration = (pare_calibration_options){
        .source = biases ? p->ids : NULL, .samples = FAMILY_SEQUENCES * biases, .length = FAMILY_LENGTH * biases};
    options.attention.given = strcmp(way, "channels of the FFN") == 0;
    options.drops = layers ? &first : NULL;
    options.drop_count = layers;
    if (pattern) options.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
    pare_status status = pare_prune(p->m.model, &options, &runtime, &report);
    json_t *said = status == PARE_OK ? json_loads(report, 0, NULL) : NULL;
    *parameters = (uint64_t)json_integer_value(json_object_get(json_object_get(said, "parameters"), "after"));
    json_decref(said);
    pare_text_free(report);
    return status;
}

static void check_refused(const place *p, const json_t *row, pare_status status) {
    const char *message = pare_message(), *at = strstr(message, p->m.folder);
    char *said = pare_format("%.*s%s%s", at ? (int)(at - message) : 0, message, at ? "MODEL" : "",
                             at ? at + strlen(p->m.folder) : message);
    assert_true(status != PARE_OK);
    assert_string_equal(said, text_of(row, "refused"));
    prune_run_assert_holds(p->folder, "");
    free(said);
}

static void check_config(const place *p, const json_t *row) {
    const json_t *wanted = json_object_get(row, "config");
    char *path = pare_path_join(p->output, "config.json");
    json_t *config = load_json(path);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) if (!json_equal(json_object_get(config, key), value))
        fail_msg("%s, %s: %s of config.json is not as expected", text_of(row, "name"), text_of(row, "way"), key);
    assert_int_equal(json_object_size(config), json_object_size(wanted));
    const json_t *classes = json_object_get(config, "architectures");
    if (classes) assert_string_equal(json_string_value(json_array_get(classes, 0)), text_of(row, "class"));
    json_decref(config);
    free(path);
}

static void check_tensors(const pare_model *model, const json_t *row) {
    const json_t *tensors = json_object_get(row, "tensors");
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *entry = json_array_get(tensors, i), *shape = json_array_get(entry, 1);
        const char *name = json_string_value(json_array_get(entry, 0));
        const pare_tensor *tensor = pare_checkpoint_find(model->checkpoint, name);
        if (!tensor) fail_msg("%s, %s: %s is missing", text_of(row, "name"), text_of(row, "way"), name);
        assert_int_equal(tensor->rank, json_array_size(shape));
        for (size_t axis = 0; axis < json_array_size(shape); axis++)
            assert_int_equal(tensor->shape[axis], json_integer_value(json_array_get(shape, axis)));
    }
    assert_int_equal(pare_checkpoint_count(model->checkpoint), json_array_size(tensors));
}

static void check_written(const expected *e, const place *p, const json_t *row, uint64_t parameters) {
    pare_model *model;
    uint64_t count = 0;
    check_config(p, row);
    if (pare_model_open(p->output, &model) != PARE_OK) fail_msg("%s", pare_message());
    check_tensors(model, row);
    for (size_t id = 0; id < model->tensor_count; id++)
        count += model->tensors[id]->count;
    /* Another class may have biases that are zero here, or none where these are. */
    if (model->config.family == p->m.model->config.family) assert_int_equal(parameters, count);
    double wanted = family_number(row, "loss");
    double loss = family_forward(model, e->backend, e->all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
    if (!(fabs(loss - wanted) <= bound * wanted))
        fail_msg("%s, %s: loss %.8g, not %.8g", text_of(row, "name"), text_of(row, "way"), loss, wanted);
    pare_model_close(model);
    tiny_remove(p->output);
}

/* The run itself checks that what it wrote computes what the cut model does. */
static void all_ways(void **state) {
    const expected *e = *state;
    const char *name = "";
    place p = {0};
    for (size_t i = 0; i < json_array_size(rows_of(e)); i++) {
        const json_t *row = json_array_get(rows_of(e), i);
        if (strcmp(name, text_of(row, "name")) != 0) {
            if (p.folder) place_close(&p);
            name = text_of(row, "name");
            p = place_alone(e, name);
        }
        uint64_t parameters;
        pare_status status = prune(&p, text_of(row, "way"), &parameters);
        if (json_object_get(row, "refused"))
            check_refused(&p, row, status);
        else if (status != PARE_OK)
            fail_msg("%s, %s: %s", name, text_of(row, "way"), pare_message());
        else
            check_written(e, &p, row, parameters);
    }
    place_close(&p);
}

/* No class has two widths, but pare reads what it writes, heads that the class derives included. */
static void layers_that_differ_are_read_again(void **state) {
    const expected *e = *state;
    static const char *const names[] = {"llama",    "qwen2", "phi3",   "gpt2",          "gpt_neo",  "gptj",
                                        "gpt_neox", "opt",   "falcon", "falcon groups", "stablelm", "helium biases"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        place p = place_alone(e, names[i]);
        const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        pare_model *model;
        char *report;
        options.method = "magnitude-l2";
        options.ratio = 0.5;
        options.attention = (pare_layers){true, 0, 0};
        options.ffn = (pare_layers){true, 0, 1};
        options.output = p.output;
        if (pare_prune(p.m.model, &options, &runtime, &report) != PARE_OK) fail_msg("%s: %s", names[i], pare_message());
        assert_int_equal(pare_model_open(p.output, &model), PARE_OK);
        assert_int_equal(2 * model->config.widths[0].ffn, model->config.widths[1].ffn);
        assert_int_equal(model->config.head_size, p.m.model->config.head_size);
        pare_model_close(model);
        pare_text_free(report);
        tiny_remove(p.output);
        place_close(&p);
    }
}

static const json_t *row_of(const expected *e, const char *name, const char *way) {
    size_t i;
    json_t *row;
    json_array_foreach(rows_of(e), i, row) if (strcmp(text_of(row, "name"), name) == 0 &&
                                               strcmp(text_of(row, "way"), way) == 0) return row;
    fail_msg("%s, %s: not there", name, way);
    return NULL;
}

/* Classes that hold what a family's own does not, and those that keep theirs. */
static void families_are_written_as_their_rows_say(void **state) {
    const expected *e = *state;
    static const char *const written[][3] = {
        {"llama", "units", "llama"},
        {"llama, four", "a quarter", "mistral"},
        {"llama biases", "units", "llama"},
        {"llama biases, four", "a quarter", "seed_oss"},
        {"mistral window", "units", "mistral"},
        {"qwen2", "units", "seed_oss"},
        {"qwen2", "channels of the FFN", "qwen2"},
        {"qwen3", "units", "qwen3"},
        {"phi3", "units", "mistral"},
        {"gpt_neox", "units", "phi"},
        {"gptj", "units", "phi"},
        {"helium", "units", "mistral"},
        {"ernie4_5", "units", "mistral"},
        {"internlm3, four", "a quarter", "mistral"},
        {"granite", "units", "granite"},
        {"gemma2, four", "a quarter", "gemma2"},
        {"gpt2", "channels of the FFN", "gpt2"},
    };
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const json_t *config = json_object_get(row_of(e, written[i][0], written[i][1]), "config");
        if (!config || strcmp(text_of(config, "model_type"), written[i][2]) != 0)
            fail_msg("%s, %s: not written as %s", written[i][0], written[i][1], written[i][2]);
    }
}

/* Norms that are folded into matrices of 16 bits, queries and embeddings that are scaled, are rounded once more, which
 * is no fault of what was written. */
static void halves(void **state) {
    const expected *e = *state;
    static const char *const ways[][2] = {{"gpt_neox", "units"},
                                          {"gptj", "units"},
                                          {"phi3", "units"},
                                          {"helium", "units"},
                                          {"gpt2 scaled by layer", "layers"},
                                          {"gemma2", "hidden channels"},
                                          {"gpt_neox", "hidden channels"},
                                          {"opt", "hidden channels"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (pare_dtype dtype = PARE_DTYPE_F16; dtype <= PARE_DTYPE_BF16; dtype++) {
            place p = {.m = family_open(family_case(&e->all, ways[i][0]), (family_form){.dtype = dtype}),
                       .folder = tiny_folder()};
            uint64_t parameters;
            p.output = pare_path_join(p.folder, "output");
            if (prune(&p, ways[i][1], &parameters) != PARE_OK) fail_msg("%s: %s", ways[i][0], pare_message());
            tiny_remove(p.output);
            place_close(&p);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways),
        cmocka_unit_test(halves),
        cmocka_unit_test(layers_that_differ_are_read_again),
        cmocka_unit_test(families_are_written_as_their_rows_say),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
