/* A config.json that pare would misread: every field out of range or of a kind pare does not know is refused by name,
 * and what is accepted is read as stock engines read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_variants.h"

static pare_status read_config(const char *folder, pare_config *config) {
    pare_checkpoint *checkpoint;
    pare_status status = pare_config_read(folder, config);
    if (status != PARE_OK) return status;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    status = pare_config_fit(checkpoint, config);
    pare_checkpoint_close(checkpoint);
    if (status != PARE_OK) pare_config_free(config);
    return status;
}

/* The tiny model with `over` put over its config must be refused with a sentence that holds `word`. */
static void expect_refusal(tiny_model model, const char *over, pare_status expected, const char *word) {
    model.config = over;
    char *folder = tiny_model_write(model);
    pare_config config;
    pare_status status = read_config(folder, &config);
    if (status != expected || !strstr(pare_message(), word))
        fail_msg("%s: status %d, message: %s", over, status, status == PARE_OK ? "" : pare_message());
    assert_null(config.json);
    tiny_remove(folder);
    free(folder);
}

static void refuses_values_out_of_range(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"num_hidden_layers\": 0}", "num_hidden_layers"},
        {"{\"num_hidden_layers\": -1}", "num_hidden_layers"},
        {"{\"num_hidden_layers\": 2.0}", "num_hidden_layers"},
        {"{\"num_hidden_layers\": 4000000000}", "num_hidden_layers"},
        {"{\"num_hidden_layers\": null}", "num_hidden_layers"},
        {"{\"num_hidden_layers\": 3}", "model.layers.2."},
        {"{\"hidden_size\": \"16\"}", "hidden_size"},
        {"{\"hidden_size\": 32}", "[32, 32] is expected"},
        {"{\"vocab_size\": 33}", "model.embed_tokens.weight has shape [32, 16] where [33, 16]"},
        {"{\"vocab_size\": 4294967328}", "vocab_size"},
        {"{\"head_dim\": 3}", "head size is 3"},
        {"{\"head_dim\": 0}", "head_dim"},
        {"{\"head_dim\": 32}", "multiple of the head size 32"},
        {"{\"head_dim\": null, \"num_attention_heads\": 5}", "head_dim"},
        {"{\"head_dim\": 8}", "num_attention_heads is 4 and head_dim is 8, but the tensors have 16 rows"},
        {"{\"head_dim\": 2}", "which is 8 heads of that size"},
        {"{\"num_attention_heads\": 2}", "num_attention_heads is 2 and head_dim is 4"},
        {"{\"num_key_value_heads\": 2}", "num_key_value_heads is 2 and head_dim is 4"},
        {"{\"intermediate_size\": 25}", "layer 0 have 24"},
        {"{\"head_dim\": null, \"num_attention_heads\": 2}", "num_key_value_heads"},
        {"{\"num_attention_heads\": 0}", "num_attention_heads"},
        {"{\"num_attention_heads\": [4]}", "num_attention_heads"},
        {"{\"num_attention_heads\": [4, 3]}", "layer 1"},
        {"{\"intermediate_size\": [24, \"24\"]}", "layer 1"},
        {"{\"num_key_value_heads\": -4}", "num_key_value_heads"},
        {"{\"rms_norm_eps\": 0}", "rms_norm_eps"},
        {"{\"rms_norm_eps\": \"1e-5\"}", "rms_norm_eps"},
        {"{\"rope_theta\": -1}", "rope_theta"},
        {"{\"max_position_embeddings\": 0}", "max_position_embeddings"},
        {"{\"tie_word_embeddings\": 1}", "tie_word_embeddings"},
        {"{\"eos_token_id\": \"2\"}", "eos_token_id"},
        {"{\"eos_token_id\": [2, \"3\"]}", "eos_token_id"},
        {"{\"model_type\": \"mistral\", \"sliding_window\": \"wide\"}", "sliding_window"},
        {"{\"model_type\": \"mistral\", \"sliding_window\": 0}", "sliding_window"},
        {"{\"attention_bias\": \"no\"}", "attention_bias"},
        {"{\"rope_scaling\": 2}", "rope_scaling"},
        {"{\"rope_scaling\": {\"rope_type\": \"linear\"}}", "factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 0}}", "factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}}", "low_freq_factor"},
        {"{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, \"high_freq_factor\": "
         "1,"
         " \"original_max_position_embeddings\": 8192}}",
         "high_freq_factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal((tiny_model){0}, cases[i][0], PARE_FORMAT_ERROR, cases[i][1]);
}

static void refuses_other_models(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"model_type\": \"rwkv\"}", "pare help models"},
        {"{\"model_type\": null}", "pare help models"},
        {"{\"model_type\": 7}", "pare help models"},
        {"{\"architectures\": [\"LlamaForSequenceClassification\"]}", "LlamaForSequenceClassification"},
        {"{\"hidden_act\": \"mish\"}", "mish"},
        {"{\"quantization_config\": {\"bits\": 4}}", "quantization_config"},
        {"{\"rope_scaling\": {\"rope_type\": \"ntk\", \"factor\": 2}}", "ntk"},
        {"{\"partial_rotary_factor\": 0.5, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
         "partial_rotary_factor"},
        {"{\"rope_parameters\": {\"rope_type\": \"dynamic\", \"factor\": 2, \"partial_rotary_factor\": 0.5}}",
         "partial_rotary_factor"},
        {"{\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\"}}}", "full_attention"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal((tiny_model){0}, cases[i][0], PARE_UNSUPPORTED, cases[i][1]);
}

static void refuses_files_that_are_no_config(void **state) {
    (void)state;
    static const char *const texts[] = {"", "[]", "{", "{\"a\": 1, \"a\": 2}", "\xff\xfe", "{\"hidden_size\": NaN}"};
    char *folder = tiny_model_write((tiny_model){0});
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tiny_write_text(folder, "config.json", texts[i]);
        pare_config config;
        assert_int_equal(read_config(folder, &config), PARE_FORMAT_ERROR);
        assert_non_null(strstr(pare_message(), "config.json"));
    }
    tiny_remove(folder);
    free(folder);
}

static void refuses_tensors_that_disagree(void **state) {
    (void)state;
    expect_refusal((tiny_model){.tied = true}, "{\"tie_word_embeddings\": false}", PARE_FORMAT_ERROR, "lm_head.weight");
    expect_refusal((tiny_model){.layers = 3}, "{\"num_hidden_layers\": 2}", PARE_UNSUPPORTED, "model.layers.2.");
    expect_refusal((tiny_model){.heads = 3, .kv_heads = 2, .head_size = 4}, "{}", PARE_FORMAT_ERROR,
                   "layer 0 has 3 query heads");
    pare_widths widths[] = {{4, 2, 24}, {4, 2, 20}};
    expect_refusal((tiny_model){.head_size = 4, .widths = widths}, "{\"intermediate_size\": [24, 24]}",
                   PARE_FORMAT_ERROR, "layer 1 have 20");
}

static pare_config read_tiny(tiny_model model) {
    char *folder = tiny_model_write(model);
    pare_config config;
    if (read_config(folder, &config) != PARE_OK) fail_msg("%s", pare_message());
    tiny_remove(folder);
    free(folder);
    return config;
}

static void reads_what_stock_engines_read(void **state) {
    (void)state;
    pare_config config = read_tiny((tiny_model){.heads = 4,
                                                .kv_heads = 2,
                                                .config = "{\"eos_token_id\": [7, 9],"
                                                          "\"bos_token_id\": null, \"head_dim\": null}"});
    assert_int_equal(config.layers, 2);
    assert_int_equal(config.head_size, 4);
    assert_int_equal(config.widths[1].heads, 4);
    assert_int_equal(config.widths[1].kv_heads, 2);
    assert_int_equal(config.widths[1].ffn, 24);
    assert_int_equal(config.bos, -1);
    assert_int_equal(config.eos, 7);
    assert_false(config.tied);
    assert_int_equal(config.rope[0].kind, PARE_ROPE_PLAIN);
    assert_true(fabs(config.rms_eps - 1e-5) < 1e-12);
    pare_config_free(&config);

    config =
        read_tiny((tiny_model){.tied = true,
                               .config = "{\"rope_theta\": null, \"sliding_window\": 64, \"model_type\": \"mistral\","
                                         "\"tie_word_embeddings\": true, \"rope_scaling\": {\"type\": \"linear\","
                                         "\"factor\": 2}, \"architectures\": [\"MistralForCausalLM\"]}"});
    assert_true(config.tied);
    assert_string_equal(config.model_type, "mistral");
    assert_int_equal(config.rope[0].kind, PARE_ROPE_LINEAR);
    assert_true(config.rope[0].factor == 2 && config.rope[0].theta == 10000);
    pare_config_free(&config);

    config = read_tiny((tiny_model){
        .tied = true,
        .config =
            "{\"rope_theta\": 7, \"architectures\": [\"LLaMAForCausalLM\"], \"rope_parameters\": {\"rope_theta\":"
            "500000.0, \"rope_type\": \"llama3\", \"factor\": 32.0, \"low_freq_factor\": 1.0, \"high_freq_factor\":"
            "4.0, \"original_max_position_embeddings\": 8192}}"});
    assert_int_equal(config.rope[0].kind, PARE_ROPE_LLAMA3);
    assert_true(config.rope[0].theta == 500000 && config.rope[0].factor == 32 && config.rope[0].low_frequency_factor == 1 &&
                config.rope[0].high_frequency_factor == 4 && config.rope[0].original_positions == 8192);
    pare_config_free(&config);
}

/* A sequence may be as long as the class lets every token see: a Mistral's window is 4096 where the file says nothing,
 * none where it says null, and a LLaMA has none. */
static void a_window_limits_positions(void **state) {
    (void)state;
    static const struct {
        const char *config;
        uint32_t window, positions;
    } cases[] = {
        {"{\"sliding_window\": 16}", 0, 64},
        {"{\"model_type\": \"mistral\", \"sliding_window\": 16}", 16, 64},
        {"{\"model_type\": \"mistral\", \"sliding_window\": 64}", 64, 64},
        {"{\"model_type\": \"mistral\", \"sliding_window\": 4096}", 4096, 64},
        {"{\"model_type\": \"mistral\", \"sliding_window\": null, \"max_position_embeddings\": 32768}", 0, 32768},
        {"{\"model_type\": \"mistral\", \"max_position_embeddings\": 32768}", 4096, 32768},
        {"{\"model_type\": \"mistral\", \"max_position_embeddings\": null, \"sliding_window\": null}", 0, 131072},
        {"{\"max_position_embeddings\": null}", 0, 2048},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_config config = read_tiny((tiny_model){.config = cases[i].config});
        assert_int_equal(config.plan[0].window, cases[i].window);
        assert_int_equal(config.max_positions, cases[i].positions);
        pare_config_free(&config);
    }
}

static void ignores_what_the_class_ignores(void **state) {
    (void)state;
    static const char *const configs[] = {
        "{\"hidden_act\": \"swish\"}",
        "{\"hidden_act\": null}",
        "{\"partial_rotary_factor\": 0.5}",
        "{\"sliding_window\": \"wide\", \"use_sliding_window\": true}",
        "{\"layer_types\": [\"sliding_attention\", \"full_attention\"], \"sliding_window\": 4}",
        "{\"eos_token_id\": 32, \"bos_token_id\": 700, \"pad_token_id\": -1}",
        "{\"model_type\": \"mistral\", \"attention_bias\": true, \"mlp_bias\": true}",
        "{\"pretraining_tp\": 2, \"attention_dropout\": 0.1, \"final_logit_softcapping\": 30.0}",
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        pare_config config = read_tiny((tiny_model){.config = configs[i]});
        pare_config_free(&config);
    }
    pare_config config = read_tiny((tiny_model){.config = "{\"eos_token_id\": [99, -1, 7, 9], \"bos_token_id\": 32}"});
    assert_int_equal(config.eos, 7);
    assert_int_equal(config.bos, -1);
    pare_config_free(&config);
}

/* A tied model may store its one matrix under either name or both; a head that is another one is not tied, as
 * transformers 5 has it, however close it is. */
static void a_head_of_its_own_is_not_tied(void **state) {
    (void)state;
    static const struct {
        bool rename, append;
        float more;
        bool tied, in_head;
    } cases[] = {{false, false, 0, true, false},
                 {false, true, 0, true, false},
                 {false, true, 1e-6f, false, false},
                 {true, false, 0, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = tiny_model_write((tiny_model){.tied = true});
        pare_config config;
        if (cases[i].append) tiny_store_head(folder, 32, 16, cases[i].more);
        if (cases[i].rename) tiny_rename(folder, "model.embed_tokens.weight", "lm_head.weight");
        if (read_config(folder, &config) != PARE_OK) fail_msg("%s", pare_message());
        assert_int_equal(config.tied, cases[i].tied);
        assert_int_equal(config.embedding_in_head, cases[i].in_head);
        pare_config_free(&config);
        tiny_remove(folder);
        free(folder);
    }
}

static void takes_widths_from_the_tensors(void **state) {
    (void)state;
    pare_widths widths[] = {{4, 2, 24}, {2, 1, 7}, {3, 3, 1}};
    tiny_model model = {.layers = 3, .head_size = 4, .widths = widths};
    for (int scalars = 0; scalars < 2; scalars++) {
        if (scalars)
            model.config = "{\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"intermediate_size\": 24}";
        pare_config config = read_tiny(model);
        for (int i = 0; i < 3; i++)
            assert_memory_equal(&config.widths[i], &widths[i], sizeof *widths);
        pare_config_free(&config);
    }
}

static void check_real(const char *folder, uint32_t layers, uint32_t heads, uint32_t kv_heads, uint32_t ffn) {
    pare_config config;
    if (read_config(folder, &config) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(config.layers, layers);
    for (uint32_t i = 0; i < layers; i++) {
        assert_int_equal(config.widths[i].heads, heads);
        assert_int_equal(config.widths[i].kv_heads, kv_heads);
        assert_int_equal(config.widths[i].ffn, ffn);
    }
    pare_config_free(&config);
}

static void reads_real_models(void **state) {
    (void)state;
    check_real(PARE_SOURCE_DIR "/tests/data/stories", 5, 8, 4, 172);
    check_real(PARE_SOURCE_DIR "/examples/tiny-stories", 6, 8, 4, 384);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_values_out_of_range),      cmocka_unit_test(refuses_other_models),
        cmocka_unit_test(refuses_files_that_are_no_config), cmocka_unit_test(refuses_tensors_that_disagree),
        cmocka_unit_test(reads_what_stock_engines_read),    cmocka_unit_test(a_window_limits_positions),
        cmocka_unit_test(ignores_what_the_class_ignores),   cmocka_unit_test(a_head_of_its_own_is_not_tied),
        cmocka_unit_test(takes_widths_from_the_tensors),    cmocka_unit_test(reads_real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
