/* What a person is told in one line: that no KV group goes, that zeros go, which engines load what was written, and
 * where a window ends. */
#include "cli/workplace.h"

static bool says(const program_result *result, const char *part) {
    return strstr(result->err, part) || strstr(result->out, part);
}

static void that_no_group_is_removed(void **state) {
    (void)state;
    static const struct {
        tiny_model tiny;
        const char *ratio, *gqa, *note;
    } cases[] = {
        {{.heads = 4, .kv_heads = 2},
         "0.25",
         "kv",
         "no KV group is removed, only FFN channels: 25 % of a layer's 2 KV groups is less than one; --gqa query"},
        {{.heads = 4, .kv_heads = 2}, "0.5", "kv", NULL},
        {{.heads = 4, .kv_heads = 2}, "0.5", "query", NULL},
        {{.heads = 4, .kv_heads = 1}, "0.5", "kv", "50 % of a layer's 1 KV group is less than one"},
        {{.heads = 4},
         "0.1",
         "kv",
         "no head is removed, only FFN channels: 10 % of a layer's 4 heads is less than one"},
        {{.heads = 4}, "0.25", "kv", NULL},
        {{.heads = 4, .kv_heads = 2}, "0.2,0.3", "kv", "no layer's share of its KV groups is a whole one; --gqa query"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = tiny_model_write(cases[i].tiny);
        program_result result = EXPECT_SUCCESS("prune", folder, "--dry-run", "--ratio", cases[i].ratio, "--gqa",
                                               cases[i].gqa, "--method", "magnitude-l2");
        if (!says(&result, cases[i].note ? cases[i].note : "nothing was written")) fail_msg("%s", result.err);
        if (!cases[i].note) assert_false(says(&result, "is removed, only"));
        program_result_free(&result);
        tiny_remove(folder);
        free(folder);
    }
}

#define LLAMA3                                                                                                         \
    "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": "  \
    "4.0, \"original_max_position_embeddings\": 16}"
#define MISTRAL "\"model_type\": \"mistral\", \"architectures\": [\"MistralForCausalLM\"], \"sliding_window\": null"

/* Three of four heads do not divide a hidden size of 16: a LLaMA becomes a Mistral then. */
static void what_loads_it(void **state) {
    (void)state;
    static const struct {
        const char *config, *ratio, *yes, *no;
    } cases[] = {
        {"{}", "0.5", "loads as any LLaMA", "4.48"},
        {"{" LLAMA3 "}", "0.5", "loads as any LLaMA", "4.48"},
        {"{}", "0.25", "loads as a Mistral (the same computation", "4.48"},
        {"{" LLAMA3 "}", "0.25", "transformers >= 4.48", "that it was"},
        {"{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}}", "0.25", "loads as a Mistral (", "4.48"},
        {"{" MISTRAL "}", "0.25", "loads as the Mistral that it was: transformers, vLLM", "the same computation"},
        {"{" MISTRAL ", " LLAMA3 "}", "0.5", "transformers >= 4.48", "the same computation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = tiny_model_write((tiny_model){.config = cases[i].config});
        char *output = pare_format("%s-out", folder);
        program_result result = EXPECT_SUCCESS("prune", folder, "-o", output, "--ratio", cases[i].ratio, "--method",
                                               "magnitude-l2", "--quiet");
        if (!says(&result, cases[i].yes) || says(&result, cases[i].no)) fail_msg("%s", result.out);
        program_result_free(&result);
        tiny_remove(output);
        tiny_remove(folder);
        free(output);
        free(folder);
    }
}

static void which_zeros_go(void **state) {
    const workplace *place = *state;
    char *sparse = pare_path_join(place->folder, "sparse"), *adapter = pare_path_join(place->folder, "adapter");
    char *merged = pare_path_join(place->folder, "merged");
    workplace_write_text(place);
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", sparse, "--pattern", "2:4", "--method", "magnitude", "--quiet");
    program_result_free(&result);
#define TRAIN(model, output, ...)                                                                                      \
    EXPECT_SUCCESS("recover", model, "-o", output, "--data", place->text, "--steps", "1", "--batch", "1", "--cutoff",  \
                   "32", "--val", "0", "--force", __VA_ARGS__)
    result = TRAIN(sparse, place->output, "--rank", "2");
    assert_true(says(&result, "50 % of the trained weights are zeros, and will not stay zero without --keep-sparsity"));
    assert_true(says(&result, "note: 50 % of the trained weights were zeros"));
    program_result_free(&result);
    result = TRAIN(sparse, place->output, "--keep-sparsity");
    assert_false(says(&result, "zeros"));
    program_result_free(&result);
    result = TRAIN(place->model, place->output, "--rank", "2");
    assert_false(says(&result, "zeros"));
    program_result_free(&result);
    result = TRAIN(sparse, adapter, "--adapter", "--rank", "2", "--quiet", "--json");
    json_t *report = json_loads(result.out, 0, NULL), *warnings = json_object_get(report, "warnings");
    assert_int_equal(json_array_size(warnings), 1);
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "merging it will fill them"));
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("merge", sparse, "--adapter", adapter, "-o", merged);
    assert_true(says(&result, "50 % of the weights that the adapter changes were zeros"));
    program_result_free(&result);
    free(sparse);
    free(adapter);
    free(merged);
}

static void where_a_window_ends(void **state) {
    const workplace *place = *state;
    json_t *longer = json_array(), *ids = json_array();
    for (int i = 0; i < 64; i++)
        json_array_append_new(ids, json_integer(i % 32));
    json_array_append_new(longer, ids);
    char *text = json_dumps(longer, 0), *data = pare_path_join(place->folder, "ids.json");
    tiny_write_text(place->folder, "ids.json", text);
    static const char *const windows[] = {"{\"model_type\": \"mistral\", \"sliding_window\": 16}",
                                          "{\"model_type\": \"mistral\", \"sliding_window\": 32}"};
    double found[2];
    for (int i = 0; i < 2; i++) {
        char *folder = tiny_model_write((tiny_model){.config = windows[i]});
        program_result result =
            EXPECT_SUCCESS("eval", folder, "--text", data, "--window", "16", "--json", "--quiet", "--compute", "fp32");
        json_t *report = json_loads(result.out, 0, NULL);
        found[i] =
            json_number_value(json_object_get(json_array_get(json_object_get(report, "texts"), 0), "perplexity"));
        json_decref(report);
        program_result_free(&result);
        result = EXPECT_SUCCESS("eval", folder, "--text", data, "--window", "17", "--quiet");
        program_result_free(&result);
        tiny_remove(folder);
        free(folder);
    }
    assert_true(found[0] > 1 && found[0] >= found[1] && found[0] <= found[1]);

    json_decref(longer);
    free(text);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(that_no_group_is_removed),
        cmocka_unit_test(what_loads_it),
        IN_A_WORKPLACE(which_zeros_go),
        IN_A_WORKPLACE(where_a_window_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
