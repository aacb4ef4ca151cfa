/* config.json of models whose layers differ in width with a modeling file of ours, or as Nemotron-NAS models have it:
 * what is written is read back as the same model, and what is no such list is refused. */
#include "golden.h"
#include "model/config_remote.h"
#include "model/model.h"
#include "support/memory.h"
#include "tiny_model.h"

enum { LAYERS = 3, HIDDEN = 48, HEADS = 8, HEAD_SIZE = 6 };

static const tiny_model shape = {
    .layers = LAYERS, .hidden = HIDDEN, .heads = HEADS, .kv_heads = 4, .head_size = HEAD_SIZE};

/* A folder with these widths, whose config.json has `text`'s members. */
static char *folder_of(const pare_widths *widths, const char *text) {
    tiny_model model = shape;
    model.widths = widths;
    model.config = text;
    return tiny_model_write(model);
}

static char *lists_of(const pare_widths *w) {
    return pare_format("{\"num_attention_heads\": [%u, %u, %u], \"num_key_value_heads\": [%u, %u, %u], "
                       "\"intermediate_size\": [%u, %u, %u], \"head_dim\": %d, \"pare_per_layer_widths\": true}",
                       w[0].heads, w[1].heads, w[2].heads, w[0].kv_heads, w[1].kv_heads, w[2].kv_heads, w[0].ffn,
                       w[1].ffn, w[2].ffn, HEAD_SIZE);
}

static json_t *open_json(const char *folder, pare_model **model) {
    if (pare_model_open(folder, model) != PARE_OK) fail_msg("%s", pare_message());
    return (*model)->config.json;
}

static const char *text_at(const json_t *json, const char *key, const char *inner) {
    const json_t *value = json_object_get(json, key);
    return json_string_value(inner ? json_object_get(value, inner) : json_array_get(value, 0));
}

/* Writes, reads back, and compares with what was before. *json: what was written; a new reference. */
static pare_config_remote there_and_back(const pare_widths *widths, json_t **json) {
    char *lists = lists_of(widths), *folder = folder_of(widths, lists), *text;
    pare_model *before, *after;
    pare_config_remote said;
    open_json(folder, &before);
    assert_false(before->config.remote_code);
    assert_int_equal(pare_config_to_remote(&before->config, &text, &said), PARE_OK);
    *json = json_loads(text, 0, NULL);
    assert_non_null(*json);
    tiny_write_text(folder, "config.json", text);
    open_json(folder, &after);
    assert_true(after->config.remote_code);
    assert_memory_equal(after->config.widths, widths, LAYERS * sizeof *widths);
    assert_string_equal(after->config.model_type, "llama");
    assert_null(json_object_get(after->config.json, "auto_map"));
    assert_null(json_object_get(after->config.json, "block_configs"));
    assert_true(json_is_true(json_object_get(after->config.json, "pare_per_layer_widths")));
    assert_string_equal(text_at(after->config.json, "architectures", NULL), "LlamaForCausalLM");
    pare_model_close(before);
    pare_model_close(after);
    tiny_remove(folder);
    free(folder);
    free(lists);
    pare_free(text);
    return said;
}

static void query_heads_that_differ_keep_their_lists(void **state) {
    (void)state;
    const pare_widths widths[LAYERS] = {{8, 4, 24}, {6, 3, 24}, {8, 4, 11}};
    json_t *json;
    pare_config_remote said = there_and_back(widths, &json);
    assert_false(said.vllm);
    assert_non_null(strstr(said.why, "some have 8 and some 6"));
    assert_string_equal(text_at(json, "architectures", NULL), "PareLlamaForCausalLM");
    assert_string_equal(text_at(json, "auto_map", "AutoConfig"), "modeling_pare.PareLlamaForCausalLMConfig");
    assert_string_equal(text_at(json, "auto_map", "AutoModelForCausalLM"), "modeling_pare.PareLlamaForCausalLM");
    assert_int_equal(json_array_size(json_object_get(json, "num_attention_heads")), LAYERS);
    json_decref(json);
    free(said.why);
}

static const json_t *part_of(const json_t *json, size_t layer, const char *part, const char *key) {
    const json_t *block = json_array_get(json_object_get(json, "block_configs"), layer);
    return json_object_get(json_object_get(block, part), key);
}

/* Key and value heads may differ there, and FFNs: as widths, or as multiples of 256 in the form of all versions. */
static void a_nemotron_model(void **state) {
    (void)state;
    const pare_widths odd[LAYERS] = {{8, 4, 24}, {8, 2, 24}, {8, 8, 11}};
    const pare_widths whole[LAYERS] = {{8, 4, 256}, {8, 4, 512}, {8, 4, 768}};
    json_t *json;
    pare_config_remote said = there_and_back(odd, &json);
    assert_true(said.vllm && !said.any_vllm && !said.why);
    assert_string_equal(json_string_value(json_object_get(json, "model_type")), "nemotron-nas");
    assert_string_equal(text_at(json, "architectures", NULL), "DeciLMForCausalLM");
    assert_string_equal(text_at(json, "auto_map", "AutoModelForCausalLM"), "modeling_pare.DeciLMForCausalLM");
    assert_int_equal(json_integer_value(json_object_get(json, "num_attention_heads")), HEADS);
    assert_int_equal(json_integer_value(part_of(json, 1, "attention", "n_heads_in_group")), 4);
    assert_int_equal(json_integer_value(part_of(json, 2, "ffn", "intermediate_size")), 11);
    assert_null(part_of(json, 2, "ffn", "ffn_mult"));
    json_decref(json);
    said = there_and_back(whole, &json);
    assert_true(said.vllm && said.any_vllm);
    for (size_t i = 0; i < LAYERS; i++) {
        double times = json_number_value(part_of(json, i, "ffn", "ffn_mult"));
        assert_int_equal(((int)(2 * times * HIDDEN / 3) + 255) / 256, i + 1);
        assert_null(part_of(json, i, "ffn", "intermediate_size"));
    }
    json_decref(json);
}

/* As no_op, where vLLM's class computes that: not if an FFN comes before all attention. */
static void layers_without_a_half(void **state) {
    (void)state;
    static const struct {
        pare_widths widths[LAYERS];
        const char *why; /* the lists stay; NULL: it is a Nemotron-NAS model */
    } cases[] = {
        {{{8, 4, 24}, {0, 0, 24}, {8, 4, 24}}, NULL},
        {{{8, 4, 256}, {8, 2, 0}, {0, 0, 0}}, NULL},
        {{{0, 0, 0}, {8, 4, 24}, {8, 4, 0}}, NULL},
        {{{0, 0, 24}, {8, 4, 24}, {8, 4, 24}}, "an FFN before all attention"},
        {{{0, 0, 0}, {0, 0, 24}, {8, 4, 24}}, "an FFN before all attention"},
        {{{8, 4, 24}, {0, 0, 24}, {6, 3, 24}}, "some have 8 and some 6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json;
        pare_config_remote said = there_and_back(cases[i].widths, &json);
        assert_true(said.vllm == !cases[i].why);
        if (cases[i].why) assert_non_null(strstr(said.why, cases[i].why));
        for (size_t layer = 0; !cases[i].why && layer < LAYERS; layer++) {
            const pare_widths *w = &cases[i].widths[layer];
            assert_true(json_is_true(part_of(json, layer, "attention", "no_op")) == !w->heads);
            assert_true(json_is_true(part_of(json, layer, "ffn", "no_op")) == !w->ffn);
            assert_true(json_is_null(part_of(json, layer, "attention", "n_heads_in_group")) == !w->heads);
        }
        json_decref(json);
        free(said.why);
    }
}

#define BLOCK "{\"attention\": {\"n_heads_in_group\": 2}, \"ffn\": {\"intermediate_size\": 24}}"
#define BLOCKS(last)                                                                                                   \
    "{\"model_type\": \"nemotron-nas\", \"num_attention_heads\": 8, \"num_key_value_heads\": null, "                   \
    "\"intermediate_size\": null, "                                                                                    \
    "\"block_configs\": [" BLOCK ", " BLOCK ", " last "]}"
#define ENTRY(attention, ffn) BLOCKS("{\"attention\": " attention ", \"ffn\": " ffn "}")

/* Somebody else's, without a file of ours; and a width of 24 that a factor rounds up to 256 is none. */
static void blocks_are_read_and_checked(void **state) {
    (void)state;
    static const struct {
        const char *config, *sentence; /* NULL: it is read */
    } cases[] = {
        {BLOCKS(BLOCK), NULL},
        {ENTRY("{\"n_heads_in_group\": 2, \"no_op\": false}", "{\"intermediate_size\": 24, \"no_op\": null}"), NULL},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"ffn_mult\": 0.5}"), "intermediate_size is [24,24,256]"},
        {ENTRY("{\"n_heads_in_group\": 4}", "{\"intermediate_size\": 24}"), "num_key_value_heads is [4,4,2]"},
        {ENTRY("{\"n_heads_in_group\": 2, \"sparsify\": null, \"window_length\": null}",
               "{\"intermediate_size\": 24, \"hidden_act\": \"silu\", \"moe\": null}"),
         NULL},
        {ENTRY("{\"no_op\": true, \"n_heads_in_group\": null}", "{\"intermediate_size\": 24}"),
         "q_proj.weight has shape [48, 48] where [0, 48] is expected"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"no_op\": true, \"ffn_mult\": null}"),
         "gate_proj.weight has shape [24, 48] where [0, 48] is expected"},
        {ENTRY("{\"no_op\": 1}", "{\"intermediate_size\": 24}"), "no_op is 1"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"replace_with_linear\": true}"), "another one than a LLaMA's (replace_"},
        {ENTRY("{\"n_heads_in_group\": 2, \"window_length\": 64}", "{\"intermediate_size\": 24}"), "(window_length)"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"intermediate_size\": 24, \"moe\": {\"n\": 4}}"), "(moe)"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"intermediate_size\": 24, \"hidden_act\": \"relu\"}"), "hidden_act"},
        {ENTRY("{\"n_heads_in_group\": 3}", "{\"intermediate_size\": 24}"), "n_heads_in_group"},
        {ENTRY("{\"n_heads_in_group\": 0}", "{\"intermediate_size\": 24}"), "n_heads_in_group"},
        {ENTRY("{\"n_heads_in_group\": 9}", "{\"intermediate_size\": 24}"), "n_heads_in_group"},
        {ENTRY("{\"n_heads_in_group\": null}", "{\"intermediate_size\": 24}"), "n_heads_in_group"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{}"), "intermediate_size"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"intermediate_size\": 16777217}"), "intermediate_size"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"ffn_mult\": -1}"), "ffn_mult"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"ffn_mult\": 1e300}"), "ffn_mult"},
        {ENTRY("{\"n_heads_in_group\": 2}", "{\"ffn_mult\": \"2\"}"), "ffn_mult"},
        {ENTRY("[]", "{\"intermediate_size\": 24}"), "must be an object"},
        {BLOCKS("7"), "must be an object"},
        {BLOCKS(BLOCK ", " BLOCK), "one entry for each"},
        {"{\"model_type\": \"nemotron-nas\", \"num_attention_heads\": 8}", "block_configs"},
        {"{\"model_type\": \"nemotron-nas\", \"block_configs\": {}, \"num_attention_heads\": 0}",
         "num_attention_heads"},
    };
    const pare_widths widths[LAYERS] = {{8, 4, 24}, {8, 4, 24}, {8, 4, 24}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = folder_of(widths, cases[i].config);
        pare_model *model = NULL;
        pare_status status = pare_model_open(folder, &model);
        if (!cases[i].sentence) {
            if (status != PARE_OK) fail_msg("%s: %s", cases[i].config, pare_message());
            assert_false(model->config.remote_code);
            assert_memory_equal(model->config.widths, widths, sizeof widths);
        } else if (status == PARE_OK || !strstr(pare_message(), cases[i].sentence)) {
            fail_msg("%s: %s", cases[i].config, status ? pare_message() : "was read");
        }
        pare_model_close(model);
        tiny_remove(folder);
        free(folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(query_heads_that_differ_keep_their_lists),
        cmocka_unit_test(a_nemotron_model),
        cmocka_unit_test(layers_without_a_half),
        cmocka_unit_test(blocks_are_read_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
