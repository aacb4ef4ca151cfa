/* A config.json for new widths that stock engines would load wrongly, or that pare itself could not read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/config_write.h"
#include "tiny_model.h"

enum { LAYERS = 3 };

static pare_config read_folder(const char *folder) {
    pare_checkpoint *checkpoint;
    pare_config config;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    if (pare_config_read(folder, &config) != PARE_OK) fail_msg("%s", pare_message());
    if (pare_config_fit(checkpoint, &config) != PARE_OK) fail_msg("%s", pare_message());
    pare_checkpoint_close(checkpoint);
    return config;
}

/* The config of a 3-layer model of hidden size 48 with `over` put over it, rewritten for these sizes, parsed again. */
static json_t *resize(const char *over, const pare_config_sizes *sizes, pare_config_kind *kind) {
    char *folder =
        tiny_model_write((tiny_model){.layers = LAYERS, .hidden = 48, .heads = 8, .kv_heads = 4, .config = over});
    pare_config config = read_folder(folder);
    char *text;
    assert_int_equal(pare_config_write(&config, sizes, &text, kind), PARE_OK);
    assert_int_equal(*kind, pare_config_kind_of(&config, sizes));
    pare_config_free(&config);
    tiny_remove(folder);
    free(folder);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

static json_t *rewrite(const char *over, const pare_widths *widths, pare_config_kind *kind) {
    return resize(over, &(pare_config_sizes){.hidden = 48, .layers = LAYERS, .widths = widths}, kind);
}

static bool has(json_t *json, const char *key, const char *value) {
    char *text = json_dumps(json_object_get(json, key), JSON_ENCODE_ANY | JSON_COMPACT);
    bool same = text ? strcmp(text, value) == 0 : strcmp(value, "absent") == 0;
    if (!same) fprintf(stderr, "%s is %s, expected %s\n", key, text ? text : "absent", value);
    free(text);
    return same;
}

static const char extras[] =
    "{\"rms_norm_eps\": 1e-6, \"x\": [0.1, 1.0000000000000002], \"rope_theta\": 500000.0, \"attention_bias\": false,"
    "\"mlp_bias\": false, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}, \"torch_dtype\": \"bfloat16\"}";

static void stays_a_llama_where_heads_divide(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{6, 3, 16}, {6, 3, 16}, {6, 3, 16}};
    pare_config_kind kind;
    json_t *json = rewrite(extras, widths, &kind);
    assert_int_equal(kind, PARE_CONFIG_LLAMA);
    assert_true(has(json, "model_type", "\"llama\"") && has(json, "architectures", "[\"LlamaForCausalLM\"]"));
    assert_true(has(json, "num_attention_heads", "6") && has(json, "num_key_value_heads", "3"));
    assert_true(has(json, "intermediate_size", "16") && has(json, "head_dim", "6"));
    assert_true(has(json, "attention_bias", "false") && has(json, "sliding_window", "absent"));
    assert_true(has(json, "torch_dtype", "\"bfloat16\"") &&
                has(json, "rope_scaling", "{\"type\":\"linear\",\"factor\":2.0}"));
    assert_true(json_real_value(json_array_get(json_object_get(json, "x"), 1)) == 1.0000000000000002);
    json_decref(json);
}

static void becomes_a_mistral_where_they_do_not(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{5, 5, 16}, {5, 5, 16}, {5, 5, 16}};
    pare_config_kind kind;
    json_t *json = rewrite(extras, widths, &kind);
    assert_int_equal(kind, PARE_CONFIG_MISTRAL);
    assert_true(has(json, "model_type", "\"mistral\"") && has(json, "architectures", "[\"MistralForCausalLM\"]"));
    assert_true(has(json, "sliding_window", "null") && has(json, "attention_bias", "absent") &&
                has(json, "mlp_bias", "absent"));
    assert_true(has(json, "num_attention_heads", "5") && has(json, "num_key_value_heads", "5"));
    assert_true(has(json, "head_dim", "6") && has(json, "max_position_embeddings", "64"));
    assert_true(has(json, "rope_scaling", "{\"type\":\"linear\",\"factor\":2.0}") &&
                has(json, "torch_dtype", "\"bfloat16\""));
    json_decref(json);

    json = rewrite("{\"model_type\": \"mistral\", \"max_position_embeddings\": null}", widths, &kind);
    assert_int_equal(kind, PARE_CONFIG_MISTRAL);
    assert_true(has(json, "sliding_window", "absent") && has(json, "head_dim", "6"));
    json_decref(json);
    json = rewrite("{\"max_position_embeddings\": null}", widths, &kind);
    assert_true(has(json, "max_position_embeddings", "2048"));
    json_decref(json);
}

/* What the file left to the class, or said in a way that older engines do not read, or that is not so. */
static void says_what_holds(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{6, 3, 16}, {6, 3, 16}, {6, 3, 16}};
    pare_config_kind kind;
    json_t *json = rewrite("{\"hidden_act\": null, \"rms_norm_eps\": null, \"tie_word_embeddings\": true,"
                           "\"rope_theta\": null, \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2.0,"
                           "\"rope_theta\": 500.0}, \"dtype\": \"float64\", \"quantization_config\": {}}",
                           widths, &kind);
    assert_true(has(json, "hidden_act", "\"silu\"") && json_real_value(json_object_get(json, "rms_norm_eps")) == 1e-6);
    assert_true(has(json, "tie_word_embeddings", "false")); /* the head of this model is another matrix */
    assert_true(has(json, "rope_theta", "500.0") && has(json, "dtype", "\"float32\""));
    assert_true(has(json, "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2.0}"));
    assert_true(has(json, "rope_parameters", "{\"rope_type\":\"linear\",\"factor\":2.0,\"rope_theta\":500.0}"));
    assert_true(has(json, "quantization_config", "absent"));
    json_decref(json);
    json = rewrite("{\"hidden_act\": \"swish\"}", widths, &kind);
    assert_true(has(json, "hidden_act", "\"swish\"") && has(json, "rope_scaling", "null"));
    json_decref(json);
}

/* A LLaMA's sliding_window, which its class ignores, may not become a Mistral's, which heeds it. */
static void a_window_that_was_ignored_stays_so(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{5, 5, 16}, {5, 5, 16}, {5, 5, 16}};
    pare_config_kind kind;
    json_t *json = rewrite("{\"sliding_window\": 8}", widths, &kind);
    assert_int_equal(kind, PARE_CONFIG_MISTRAL);
    assert_true(has(json, "sliding_window", "null"));
    json_decref(json);
    json = rewrite("{\"model_type\": \"mistral\", \"sliding_window\": 40}", widths, &kind);
    assert_true(has(json, "sliding_window", "40") && has(json, "max_position_embeddings", "64"));
    json_decref(json);
}

/* A model of the same sizes keeps its file, unless it contradicts the tensors or older engines read it otherwise. */
static void restates_only_what_must_be(void **state) {
    (void)state;
    static const struct {
        const char *over;
        bool changes;
    } cases[] = {{"{}", false},
                 {"{\"tie_word_embeddings\": true}", true},
                 {"{\"torch_dtype\": \"float64\"}", true},
                 {"{\"rope_parameters\": {\"rope_theta\": 500.0}}", true},
                 {"{\"rope_theta\": 500.0}", false},
                 {"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}", false},
                 {"{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = tiny_model_write((tiny_model){.config = cases[i].over}), *text;
        pare_config config = read_folder(folder);
        assert_int_equal(pare_config_restate(&config, &text), PARE_OK);
        assert_int_equal(text != NULL, cases[i].changes);
        free(text);
        pare_config_free(&config);
        tiny_remove(folder);
        free(folder);
    }
}

static void reads_back_differing_widths(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{8, 4, 24}, {6, 3, 24}, {8, 4, 11}};
    pare_config_kind kind;
    json_t *json = rewrite("{}", widths, &kind);
    assert_int_equal(kind, PARE_CONFIG_PER_LAYER);
    assert_true(has(json, "pare_per_layer_widths", "true") && has(json, "model_type", "\"llama\""));
    assert_true(has(json, "num_attention_heads", "[8,6,8]") && has(json, "num_key_value_heads", "[4,3,4]"));
    assert_true(has(json, "intermediate_size", "[24,24,11]") && has(json, "head_dim", "6"));

    char *text = json_dumps(json, 0);
    char *folder = tiny_model_write((tiny_model){
        .layers = LAYERS, .hidden = 48, .heads = 8, .kv_heads = 4, .head_size = 6, .widths = widths, .config = text});
    pare_config config = read_folder(folder);
    assert_memory_equal(config.widths, widths, sizeof widths);
    free(text);
    json_decref(json);

    /* Cut once more to equal widths, nothing of the lists is left. */
    pare_widths equal[LAYERS] = {{6, 3, 11}, {6, 3, 11}, {6, 3, 11}};
    pare_config_sizes sizes = {.hidden = 48, .layers = LAYERS, .widths = equal};
    assert_int_equal(pare_config_write(&config, &sizes, &text, &kind), PARE_OK);
    assert_int_equal(kind, PARE_CONFIG_LLAMA);
    json = json_loads(text, 0, NULL);
    assert_true(has(json, "pare_per_layer_widths", "absent") && has(json, "num_attention_heads", "6"));
    json_decref(json);
    free(text);
    pare_config_free(&config);
    tiny_remove(folder);
    free(folder);
}

static const char listed[] =
    "{\"layer_types\": [\"a\", \"b\", \"c\"], \"no_rope_layers\": [1, 0, 1], \"eos_token_id\": [1, 2, 3], "
    "\"architectures\": [\"LlamaForCausalLM\", \"x\", \"y\"], \"other\": [1, 2], \"head_dim\": null}";

static void dropped_layers_take_their_entries_along(void **state) {
    (void)state;
    pare_widths widths[2] = {{8, 4, 24}, {8, 4, 24}};
    bool dropped[LAYERS] = {false, true, false};
    pare_config_kind kind;
    json_t *json =
        resize(listed, &(pare_config_sizes){.hidden = 48, .layers = 2, .widths = widths, .dropped = dropped}, &kind);
    assert_int_equal(kind, PARE_CONFIG_LLAMA);
    assert_true(has(json, "num_hidden_layers", "2") && has(json, "layer_types", "[\"a\",\"c\"]"));
    assert_true(has(json, "no_rope_layers", "[1,1]") && has(json, "eos_token_id", "[1,2,3]"));
    assert_true(has(json, "architectures", "[\"LlamaForCausalLM\",\"x\",\"y\"]") && has(json, "other", "[1,2]"));
    assert_true(has(json, "num_attention_heads", "8") && has(json, "head_dim", "6"));
    json_decref(json);
}

static void a_smaller_hidden_size_decides_the_kind(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{8, 4, 24}, {8, 4, 24}, {8, 4, 24}};
    pare_config_kind kind;
    json_t *json = resize("{}", &(pare_config_sizes){.hidden = 40, .layers = LAYERS, .widths = widths}, &kind);
    assert_int_equal(kind, PARE_CONFIG_LLAMA);
    assert_true(has(json, "hidden_size", "40") && has(json, "head_dim", "6") && has(json, "model_type", "\"llama\""));
    json_decref(json);
    json = resize("{}", &(pare_config_sizes){.hidden = 36, .layers = LAYERS, .widths = widths}, &kind);
    assert_int_equal(kind, PARE_CONFIG_MISTRAL);
    assert_true(has(json, "hidden_size", "36") && has(json, "model_type", "\"mistral\""));
    json_decref(json);
}

/* Layers of a per-layer model go: lists of what is left, read back against its tensors. */
static void reads_back_what_is_left_of_differing_layers(void **state) {
    (void)state;
    pare_widths widths[LAYERS] = {{8, 4, 24}, {6, 3, 24}, {8, 4, 11}};
    bool dropped[LAYERS] = {true, false, false};
    pare_config_sizes sizes = {.hidden = 20, .layers = 2, .widths = widths + 1, .dropped = dropped};
    char *folder = tiny_model_write(
        (tiny_model){.layers = LAYERS, .hidden = 48, .heads = 8, .kv_heads = 4, .head_size = 6, .widths = widths});
    pare_config config = read_folder(folder);
    pare_config_kind kind;
    char *text;
    assert_int_equal(pare_config_write(&config, &sizes, &text, &kind), PARE_OK);
    assert_int_equal(kind, PARE_CONFIG_PER_LAYER);
    pare_config_free(&config);
    tiny_remove(folder);
    free(folder);
    folder = tiny_model_write((tiny_model){
        .layers = 2, .hidden = 20, .heads = 8, .kv_heads = 4, .head_size = 6, .widths = widths + 1, .config = text});
    config = read_folder(folder);
    assert_int_equal(config.layers, 2);
    assert_int_equal(config.hidden, 20);
    assert_memory_equal(config.widths, widths + 1, 2 * sizeof *widths);
    pare_config_free(&config);
    free(text);
    tiny_remove(folder);
    free(folder);
}

static void no_layer_at_all_is_refused(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.layers = 1}), *text;
    pare_config config = read_folder(folder);
    pare_config_kind kind;
    bool dropped[1] = {true};
    pare_widths none[1] = {{0, 0, 0}};
    pare_config_sizes sizes = {.hidden = 16, .widths = none, .dropped = dropped};
    assert_int_equal(pare_config_write(&config, &sizes, &text, &kind), PARE_BAD_ARGUMENT);
    assert_null(text);
    pare_config_free(&config);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_a_llama_where_heads_divide),
        cmocka_unit_test(becomes_a_mistral_where_they_do_not),
        cmocka_unit_test(says_what_holds),
        cmocka_unit_test(a_window_that_was_ignored_stays_so),
        cmocka_unit_test(restates_only_what_must_be),
        cmocka_unit_test(reads_back_differing_widths),
        cmocka_unit_test(dropped_layers_take_their_entries_along),
        cmocka_unit_test(a_smaller_hidden_size_decides_the_kind),
        cmocka_unit_test(reads_back_what_is_left_of_differing_layers),
        cmocka_unit_test(no_layer_at_all_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
