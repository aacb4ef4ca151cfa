/* What families with experts have each in their own way: groups of experts, layers that predict further tokens,
 * latents, dense layers among the others. */
#include "expert_prune_run.h"

/* Of config.json with a number changed: what the sentence says. */
static void assert_config_refused(const json_t *one, const char *key, json_int_t number, const char *part) {
    json_t *changed = json_deep_copy(json_object_get(one, "config"));
    json_object_set_new(changed, key, json_integer(number));
    char *folder = family_write(one, (family_form){.config = changed});
    pare_model *model;
    assert_true(pare_model_open(folder, &model) != PARE_OK);
    if (!strstr(pare_message(), part)) fail_msg("\"%s\" does not say \"%s\"", pare_message(), part);
    json_decref(changed);
    tiny_remove(folder);
    free(folder);
}

/* 12 experts in 3 groups, of which 2 are open to a token that chooses 3: from each group as many go. */
static void groups_hold_what_tokens_choose(void **state) {
    const expected *e = *state;
    const json_t *one = family_case(&e->all, "glm4_moe groups, all layers");
    place p = place_open(e, family_name(one));
    assert_refused(&p, "reap", 0.75, "3 of 12 experts would be left in layer 0, too few for its 3 groups (n_group)");
    assert_refused(&p, "reap", 0.2, "removes nothing here");
    place_close(&p);
    assert_config_refused(one, "n_group", 5, "12 experts do not divide into groups");
    assert_config_refused(one, "n_group", 12, "12 experts do not divide into groups");
    assert_config_refused(one, "topk_group", 4, "topk_group is 4");
    assert_config_refused(one, "num_experts_per_tok", 9, "12 experts do not divide into groups that hold the 9");
    assert_config_refused(one, "n_shared_experts", 1, "by n_shared_experts of config.json what all tokens reach is 20");
    assert_config_refused(family_case(&e->all, "phimoe"), "num_experts_per_tok", 3,
                          "the router of this class chooses 2");
    assert_config_refused(one, "first_k_dense_replace", 1, "model.layers.0.mlp.gate_proj.weight");
    char *folder = family_write(one, (family_form){.without = "model.layers.1.mlp.gate.e_score_correction_bias"});
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "model.layers.1.mlp.gate.e_score_correction_bias"));
    tiny_remove(folder);
    free(folder);
}

/* Dense layers are counted, or listed, among those that are left. */
static void layers_without_experts_keep_their_places(void **state) {
    static const pare_layers first = {.given = true, .begin = 0, .end = 1};
    static const char *const names[] = {"deepseek_v3", "glm4_moe_lite"};
    const expected *e = *state;
    for (int i = 0; i < 2; i++) {
        const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
        place p = place_open(e, names[i]);
        pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
        options.output = p.output;
        options.drops = &first;
        options.drop_count = 1;
        pare_model *left;
        char *report;
        assert_int_equal(pare_prune(p.m.model, &options, &runtime, &report), PARE_OK);
        pare_text_free(report);
        assert_int_equal(pare_model_open(p.output, &left), PARE_OK);
        assert_int_equal(left->config.layers, 2);
        assert_true(left->config.plan[0].routed == (i == 0));
        assert_true(left->config.plan[1].routed);
        const json_t *said = json_object_get(left->config.json, i ? "mlp_layer_types" : "first_k_dense_replace");
        assert_true(i ? json_array_size(said) == 2 : json_integer_value(said) == 0);
        pare_model_close(left);
        place_close(&p);
    }
    assert_config_refused(family_case(&e->all, "glm4_moe_lite"), "mlp_layer_types", 3, "one for each layer");
}

/* Sizes of latents and of the parts of heads are those of the tensors; what cannot be is said. */
static void latents_are_held_against_the_file(void **state) {
    static const char *const matrices[] = {"q_a_proj", "q_a_layernorm", "kv_a_proj_with_mqa", "kv_b_proj"};
    const expected *e = *state;
    const json_t *one = family_case(&e->all, "deepseek_v3");
    assert_config_refused(one, "v_head_dim", 17, "values that are no wider than keys");
    assert_config_refused(one, "qk_rope_head_dim", 5, "it must be even to be turned");
    assert_config_refused(one, "num_key_value_heads", 2, "it must be num_attention_heads");
    assert_config_refused(one, "kv_lora_rank", 15, "self_attn.kv_a_proj_with_mqa.weight has shape [22, 32]");
    assert_config_refused(one, "q_lora_rank", 21, "self_attn.q_a_proj.weight has shape [20, 32]");
    assert_config_refused(one, "q_lora_rank", 0, "it must be a whole number from 1");
    assert_config_refused(family_case(&e->all, "deepseek_v2"), "topk_method", 3, "it must be a text");
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        char name[64];
        pare_model *model;
        snprintf(name, sizeof name, "model.layers.1.self_attn.%s.weight", matrices[i]);
        char *folder = family_write(one, (family_form){.without = name});
        assert_int_equal(pare_model_open(folder, &model), PARE_FORMAT_ERROR);
        assert_non_null(strstr(pare_message(), name));
        tiny_remove(folder);
        free(folder);
    }
}

/* What stands behind the last layer to predict further tokens is passed over where config.json counts it, and left
 * out of what is written. */
static void predicting_layers_are_left_out(void **state) {
    static const char *const key = "num_nextn_predict_layers";
    const expected *e = *state;
    const json_t *one = family_case(&e->all, "glm4_moe");
    json_t *config = json_deep_copy(json_object_get(one, "config"));
    family_form form = {.config = config, .more = "model.layers.3.eh_proj.weight", .more_rows = 3, .more_columns = 5};
    json_object_set_new(config, key, json_integer(1));
    place p = place_of(e, family_case(&e->all, family_name(one)), form);
    char *report;
    assert_int_equal(prune(&p, "reap", 0.35, &report), PARE_OK);
    pare_text_free(report);
    pare_model *model;
    assert_int_equal(pare_model_open(p.output, &model), PARE_OK);
    assert_null(pare_checkpoint_find(model->checkpoint, form.more));
    assert_int_equal(json_integer_value(json_object_get(model->config.json, key)), 0);
    pare_model_close(model);
    place_close(&p);
    json_object_set_new(config, key, json_integer(0));
    char *folder = family_write(one, form);
    assert_int_equal(pare_model_open(folder, &model), PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), form.more));
    json_decref(config);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_hold_what_tokens_choose),
        cmocka_unit_test(predicting_layers_are_left_out),
        cmocka_unit_test(latents_are_held_against_the_file),
        cmocka_unit_test(layers_without_experts_keep_their_places),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
