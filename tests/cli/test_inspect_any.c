/* pare inspect of models that pare does not prune: names, shapes, dtypes and numbers, and why prune refuses them; and
 * of those that it does, the kind of their rotary positions. */
#include "cli/workplace.h"
#include "model/families.h"

static void show(const workplace *place, const char *config) {
    tiny_write_text(place->model, "config.json", config);
}

static bool has(const program_result *result, const char *part) {
    if (strstr(result->out, part)) return true;
    fprintf(stderr, "no '%s' in:\n%s\n", part, result->out);
    return false;
}

static void other_architectures_are_shown(void **state) {
    const workplace *place = *state;
    show(place, "{\"model_type\": \"rwkv\", \"architectures\": [\"RwkvForCausalLM\"], \"rope_theta\": 1e6,"
                "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0}}");
    program_result result = EXPECT_SUCCESS("inspect", place->model);
    assert_true(has(&result, "architecture  RwkvForCausalLM (rwkv)"));
    assert_true(has(&result, "rotary        yarn, theta 1e+06, factor 4"));
    assert_true(has(&result, "not prunable  ") && has(&result, "model_type is \"rwkv\"; pare does not know it"));
    assert_true(has(&result, "model.layers.0-5.mlp.up_proj.weight") && has(&result, "[384, 128]"));
    assert_true(has(&result, "model.embed_tokens.weight") && has(&result, "BF16 (56 tensors)"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", place->model, "--tensors");
    assert_true(has(&result, "model.layers.3.mlp.up_proj.weight"));
    program_result_free(&result);
    EXPECT_NOTHING_LEFT(place, 1, "rwkv", "prune", place->model, "-o", place->output, "--ratio", "0.25");
}

/* Names are a stranger's: none of them reaches a terminal as what it would obey. */
static void names_command_no_terminal(void **state) {
    const workplace *place = *state;
    show(place, "{\"model_type\": \"rwkv\\u001b[2J\", \"architectures\": [\"Rwkv\\u009b31m\"]}");
    program_result result = EXPECT_SUCCESS("inspect", place->model);
    assert_true(has(&result, "architecture  Rwkv??31m (rwkv?[2J)"));
    assert_null(strchr(result.out, '\x1b'));
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", place->model, "--json");
    assert_non_null(strstr(result.out, "rwkv\\u001B[2J"));
    program_result_free(&result);
}

static void json_lists_every_tensor(void **state) {
    const workplace *place = *state;
    show(place,
         "{\"model_type\": \"gemma9_text\", \"rope_parameters\": {\"full_attention\": {\"rope_type\": \"linear\"},"
         "\"sliding_attention\": {\"rope_type\": \"default\"}}}");
    program_result result = EXPECT_SUCCESS("inspect", place->model, "--json");
    json_t *report = json_loads(result.out, 0, NULL), *tensors = json_object_get(report, "tensors");
    assert_int_equal(json_array_size(tensors), 56);
    json_t *first = json_array_get(tensors, 0);
    assert_string_equal(json_string_value(json_object_get(first, "dtype")), "BF16");
    assert_non_null(strstr(json_string_value(json_object_get(report, "refused")), "gemma9_text"));
    assert_int_equal(json_integer_value(json_object_get(report, "parameters")), 1312384);
    const json_t *rope = json_object_get(report, "rope");
    assert_string_equal(json_string_value(json_object_get(rope, "kind")),
                        "full_attention linear, sliding_attention default");
    json_decref(report);
    program_result_free(&result);
}

/* Dtypes and ranks that no model of pare's has, and a folder or a file without any config.json. */
static void any_header_is_shown(void **state) {
    const workplace *place = *state;
    static const char header[] = "{\"a.0.qweight\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                                 "\"a.1.qweight\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                                 "\"patch\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,2,1,2,1],\"data_offsets\":[16,20]},"
                                 "\"packed\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[20,22]}}";
    tiny_write_safetensors(place->model, "model.safetensors", header, "0123456789abcdef012345", 22);
    program_result result = EXPECT_SUCCESS("inspect", place->model);
    assert_true(has(&result, "these weights are quantised, take the original model"));
    assert_true(has(&result, "a.0-1.qweight") && has(&result, "[1, 2, 1, 2, 1]") && has(&result, "F4"));
    program_result_free(&result);
    char *config = pare_path_join(place->model, "config.json");
    assert_int_equal(unlink(config), 0);
    const char *const ways[] = {place->model, place->weights};
    for (size_t i = 0; i < 2; i++) {
        result = EXPECT_SUCCESS("inspect", ways[i]);
        assert_true(has(&result, "packed") && has(&result, "not prunable  "));
        program_result_free(&result);
    }
    workplace_copy_file(place->model, "model.safetensors");
    result = EXPECT_SUCCESS("inspect", place->model);
    assert_true(has(&result, "not prunable  cannot read") && has(&result, "config.json"));
    program_result_free(&result);
    free(config);
}

/* Damage is no other architecture. */
static void damage_is_refused(void **state) {
    const workplace *place = *state;
    show(place, "{\"model_type\": \"rwkv\"}");
    assert_int_equal(truncate(place->weights, 6000), 0);
    EXPECT_NOTHING_LEFT(place, 1, "rwkv", "inspect", place->model);
}

static void rotary_kinds_are_named(void **state) {
    const workplace *place = *state;
    static const struct {
        const char *over, *line, *kind;
    } cases[] = {
        {"{}", "rotary        default, theta 10000\n", "default"},
        {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}}", "rotary        linear, theta 10000, factor 2\n",
         "linear"},
        {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2.0}}",
         "rotary        dynamic, theta 10000, factor 2\n", "dynamic"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 16}}",
         "rotary        llama3, theta 10000, factor 8\n", "llama3"},
    };
    (void)place;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = tiny_model_write((tiny_model){.config = cases[i].over});
        program_result result = EXPECT_SUCCESS("inspect", folder);
        assert_true(has(&result, cases[i].line));
        program_result_free(&result);
        result = EXPECT_SUCCESS("inspect", folder, "--json");
        json_t *report = json_loads(result.out, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json_object_get(report, "rope"), "kind")), cases[i].kind);
        json_decref(report);
        program_result_free(&result);
        tiny_remove(folder);
        free(folder);
    }
}

static void a_window_is_shown(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.config = "{\"model_type\": \"mistral\", \"sliding_window\": 16}"});
    program_result result = EXPECT_SUCCESS("inspect", folder);
    assert_true(has(&result, "attention     layers 0-1: a window of 16 tokens"));
    program_result_free(&result);
    tiny_remove(folder);
    free(folder);
}

/* Layers with a window have rotary positions of their own. */
static void both_rotary_positions_are_shown(void **state) {
    (void)state;
    families all = families_load();
    family_model m = family_open(family_case(&all, "gemma3"), (family_form){0});
    program_result result = EXPECT_SUCCESS("inspect", m.folder);
    assert_true(has(&result, "\nrotary        linear, theta 3000, factor 8\n  in windows  default, theta 500\n"));
    program_result_free(&result);
    family_close(&m);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(other_architectures_are_shown),
        IN_A_WORKPLACE(names_command_no_terminal),
        IN_A_WORKPLACE(json_lists_every_tensor),
        IN_A_WORKPLACE(any_header_is_shown),
        IN_A_WORKPLACE(damage_is_refused),
        IN_A_WORKPLACE(rotary_kinds_are_named),
        IN_A_WORKPLACE(a_window_is_shown),
        IN_A_WORKPLACE(both_rotary_positions_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
