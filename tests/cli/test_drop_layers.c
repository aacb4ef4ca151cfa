/* Whole layers by name: alone and before a method, what is written and recorded of them, and what is refused. */
#include "cli/workplace.h"

static json_t *read_json(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    free(path);
    return json;
}

/* Tensor `name` of one folder has the bytes of tensor `origin` of the other. */
static void expect_same_tensor(const char *folder, const char *name, const char *other, const char *origin) {
    pare_checkpoint *here, *there;
    assert_int_equal(pare_checkpoint_open(folder, &here), PARE_OK);
    assert_int_equal(pare_checkpoint_open(other, &there), PARE_OK);
    const pare_tensor *a = pare_checkpoint_find(here, name), *b = pare_checkpoint_find(there, origin);
    assert_true(a && b && a->bytes == b->bytes);
    assert_memory_equal(a->data, b->data, a->bytes);
    pare_checkpoint_close(here);
    pare_checkpoint_close(there);
}

static bool equals(const json_t *json, const char *key, const char *value) {
    char *text = json_dumps(json_object_get(json, key), JSON_ENCODE_ANY | JSON_COMPACT);
    bool same = text && strcmp(text, value) == 0;
    if (!same) fprintf(stderr, "%s is %s, expected %s\n", key, text ? text : "absent", value);
    free(text);
    return same;
}

/* Layers 0 to 5; 1, 3 and 4 go. Lists with an entry for each layer lose theirs. */
static void layers_go_alone(void **state) {
    const workplace *place = *state;
    json_t *config = read_json(place->model, "config.json");
    json_object_set_new(config, "layer_types", json_pack("[ssssss]", "a", "b", "c", "d", "e", "f"));
    char *text = json_dumps(config, 0);
    tiny_write_text(place->model, "config.json", text);
    free(text);
    json_decref(config);
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--drop-layers", "3:5,1");
    assert_non_null(strstr(result.out, "layers 3-4: dropped"));
    assert_non_null(strstr(result.err, "layers 3 to 4, 1, and nothing else"));
    program_result_free(&result);
    config = read_json(place->output, "config.json");
    assert_true(equals(config, "num_hidden_layers", "3") && equals(config, "layer_types", "[\"a\",\"c\",\"f\"]"));
    assert_true(equals(config, "model_type", "\"llama\"") && equals(config, "intermediate_size", "384"));
    json_decref(config);
    json_t *record = read_json(place->output, "pruning.json");
    assert_true(equals(record, "dropped_layers", "[1,3,4]") && equals(record, "method", "\"drop-layers\""));
    assert_true(equals(json_array_get(json_object_get(record, "layers"), 3), "dropped", "true"));
    assert_int_equal(json_array_size(json_object_get(record, "layers")), 6);
    json_decref(record);
    static const char part[] = "model.layers.%d.mlp.down_proj.weight";
    static const int origins[] = {0, 2, 5};
    for (int i = 0; i < 3; i++) {
        char *now = pare_format(part, i), *then = pare_format(part, origins[i]);
        expect_same_tensor(place->output, now, place->model, then);
        free(now);
        free(then);
    }
}

static void a_method_prunes_the_others(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--drop-layers", "2", "--ratio", "0.25", "--method",
                       "magnitude-l2", "--text", place->text, "--window", "32", "--json", "--quiet");
    json_t *report = json_loads(result.out, 0, NULL), *layers = json_object_get(report, "layers");
    assert_int_equal(json_array_size(layers), 6);
    for (size_t i = 0; i < 6; i++) {
        const json_t *layer = json_array_get(layers, i);
        assert_int_equal(json_is_true(json_object_get(layer, "dropped")), i == 2);
        if (i != 2) assert_int_equal(json_array_size(json_object_get(layer, "ffn_channels_kept")), 288);
    }
    assert_true(equals(report, "dropped_layers", "[2]"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(report, "parameters"), "before")), 1312384);
    /* What it says of the written model is so. */
    json_t *measured = json_object_get(json_array_get(json_object_get(report, "texts"), 0), "after");
    double said = json_number_value(json_object_get(measured, "perplexity"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->output, "--text", place->text, "--window", "32", "--json", "--quiet");
    json_t *evaluated = json_loads(result.out, 0, NULL);
    double found =
        json_number_value(json_object_get(json_array_get(json_object_get(evaluated, "texts"), 0), "perplexity"));
    assert_true(fabs(found / said - 1) < 0.02); /* weights of 16 bits; refitted or not */
    json_decref(evaluated);
    json_decref(report);
    program_result_free(&result);
    json_t *record = read_json(place->output, "pruning.json");
    assert_true(equals(record, "dropped_layers", "[2]") && equals(record, "method", "\"magnitude-l2\""));
    json_decref(record);
}

/* The same as in two runs, the numbers of layers being those of MODEL in the first. */
static void it_is_the_same_in_two_runs(void **state) {
    const workplace *place = *state;
    char *first = pare_path_join(place->folder, "first"), *second = pare_path_join(place->folder, "second");
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", first, "--drop-layers", "1", "--quiet");
    program_result_free(&result);
    result = EXPECT_SUCCESS("prune", first, "-o", second, "--ratio", "0.25", "--method", "magnitude-l1", "--layers",
                            "1:4", "--quiet");
    program_result_free(&result);
    result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--drop-layers", "1", "--ratio", "0.25",
                            "--method", "magnitude-l1", "--layers", "2:5", "--quiet");
    program_result_free(&result);
    workplace_expect_same_file(place->output, second, "model.safetensors");
    workplace_expect_same_file(place->output, second, "config.json");
    free(first);
    free(second);
}

static void it_goes_with_single_weights_and_sweeps(void **state) {
    const workplace *place = *state;
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--drop-layers", "0:2",
                                           "--pattern", "2:4", "--method", "magnitude", "--quiet");
    program_result_free(&result);
    json_t *config = read_json(place->output, "config.json");
    assert_true(equals(config, "num_hidden_layers", "4"));
    json_decref(config);
    workplace_write_text(place);
    result = EXPECT_SUCCESS("sweep", place->model, "--over", "drop-layers=0:6:2", "--text", place->text, "--window",
                            "32", "--json", "--quiet");
    json_t *report = json_loads(result.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(report, "rows")), 3);
    json_decref(report);
    program_result_free(&result);
}

static void what_cannot_be_is_refused(void **state) {
    const workplace *place = *state;
#define REFUSED(part, ...)                                                                                             \
    EXPECT_NOTHING_LEFT(place, 2, part, "prune", place->model, "-o", place->output, "--quiet", __VA_ARGS__)
    REFUSED("there is no layer 6; the model has layers 0 to 5", "--drop-layers", "6");
    REFUSED("there is no layer 8", "--drop-layers", "4:9");
    REFUSED("all 6 layers", "--drop-layers", "0:3,3,4,5");
    REFUSED("must be layers with commas", "--drop-layers", "3:3");
    REFUSED("must be layers with commas", "--drop-layers", "1,,2");
    REFUSED("must be layers with commas", "--drop-layers", "-1");
    REFUSED("must not be empty", "--drop-layers", "");
    REFUSED("needs no method", "--drop-layers", "1", "--method", "taylor");
    REFUSED("all of these layers are dropped", "--drop-layers", "1:3", "--ratio", "0.2", "--layers", "1:2");
    REFUSED("name modules without numbers", "--drop-layers", "1", "--sparsity", "0.5", "--targets", "layers.3.mlp");
    REFUSED("--resume does not go with --drop-layers", "--drop-layers", "1", "--ratio", "0.2", "--resume");
    REFUSED("--scores has nothing to hold", "--drop-layers", "1", "--scores", "s.json");
    EXPECT_NOTHING_LEFT(place, 2, "say how much", "prune", place->model, "-o", place->output);
    EXPECT_NOTHING_LEFT(place, 2, "there is no layer 9", "sweep", place->model, "--over", "drop-layers=1;9", "--quiet");
    program_result result = EXPECT_SUCCESS("prune", place->model, "--dry-run", "--drop-layers", "5");
    assert_non_null(strstr(result.out, "nothing was written"));
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(layers_go_alone),
        IN_A_WORKPLACE(a_method_prunes_the_others),
        IN_A_WORKPLACE(it_is_the_same_in_two_runs),
        IN_A_WORKPLACE(it_goes_with_single_weights_and_sweeps),
        IN_A_WORKPLACE(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
