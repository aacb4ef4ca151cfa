/* Damaged configurations of every family: whatever a key is that matters, a value of another type, out of range, or a
 * list of another length is refused in one sentence that names the file, the key and the value. */
#include "families.h"

/* What a key must be. */
typedef enum kind { SIZE, OPTIONAL_SIZE, FLAG, NUMBER, OPTIONAL_NUMBER, NAME, UNSET, LIST, OBJECT, KINDS } kind;

static const char *const keys[KINDS][24] = {
    [SIZE] = {"hidden_size", "n_embd", "d_model", "num_hidden_layers", "n_layer", "num_layers", "n_layers",
              "num_attention_heads", "n_head", "num_heads", "n_heads", "vocab_size", "n_embed"},
    [OPTIONAL_SIZE] = {"num_key_value_heads", "num_kv_heads", "head_dim", "intermediate_size", "n_inner", "ffn_dim",
                       "ffn_hidden_size", "max_position_embeddings", "n_positions", "max_seq_len", "sliding_window",
                       "window_size", "rotary_dim", "word_embed_proj_dim", "num_ln_in_parallel_attn"},
    [FLAG] = {"attention_bias",
              "mlp_bias",
              "use_bias",
              "bias",
              "attention_out_bias",
              "use_qkv_bias",
              "use_parallel_residual",
              "parallel_attn",
              "multi_query",
              "new_decoder_architecture",
              "do_layer_norm_before",
              "enable_bias",
              "use_sliding_window",
              "scale_attn_weights",
              "layer_norm_elementwise_affine",
              "truncate",
              "tie_word_embeddings",
              "qk_layernorm",
              "use_qk_norm",
              "alibi",
              "scale_attn_by_inverse_layer_idx"},
    [NUMBER] = {"rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", "rope_theta",
                "rope_local_base_freq", "rotary_pct", "rotary_emb_base", "query_pre_attn_scalar", "factor",
                "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"},
    [OPTIONAL_NUMBER] = {"attn_logit_softcapping", "final_logit_softcapping", "clip_qkv", "softmax_scale",
                         "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling",
                         "llama_4_scaling_beta"},
    [NAME] = {"hidden_act", "hidden_activation", "activation", "activation_function", "rope_type", "model_type"},
    [UNSET] = {"add_cross_attention", "apply_residual_connection_post_layernorm", "use_bidirectional_attention",
               "qk_ln", "prefix_lm"},
    [LIST] = {"layer_types", "no_rope_layers", "attention_types", "short_factor", "long_factor"},
    [OBJECT] = {"rope_parameters", "rope_scaling", "attn_config"},
};

static const char *const damages[KINDS][12] = {
    [SIZE] = {"\"x\"", "-1", "0", "1.5", "1e300", "{}", "[]", "true", "99999999999"},
    [OPTIONAL_SIZE] = {"\"x\"", "-1", "0", "1.5", "1e300", "{}", "[]", "true", "99999999999"},
    [FLAG] = {"\"x\"", "-1", "0", "1", "1.5", "{}", "[]", "\"true\""},
    [NUMBER] = {"\"x\"", "-1", "0", "-0.5", "1e300", "{}", "[]", "true", "\"1\""},
    [OPTIONAL_NUMBER] = {"\"x\"", "-1", "-0.5", "1e300", "{}", "[]", "true", "\"1\""},
    [NAME] = {"\"x\"", "-1", "1.5", "{}", "[]", "true", "\"\""},
    [UNSET] = {"\"x\"", "true", "1", "-0.5", "[]", "{}"},
    [LIST] = {"\"x\"", "-1", "true", "{}", "[]", "[1]", "[\"x\",\"x\"]", "[null,null]", "[{},{},{},{}]"},
    [OBJECT] = {"\"x\"", "-1", "true", "[1]", "1.5"},
};

typedef struct damage {
    const json_t *one;
    char *folder;
    json_t *config; /* a copy, to be damaged */
    json_t *seen;   /* keys that were damaged in a model of the same kind; shared */
    size_t tried, wrong;
} damage;

static void write_config(const damage *d) {
    char *text = json_dumps(d->config, 0);
    tiny_write_text(d->folder, "config.json", text);
    free(text);
}

/* In one sentence, with the file, the key and the value. */
static bool is_sentence(const char *said, const char *key, const char *value) {
    json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);
    char *shown = json_dumps(parsed, JSON_ENCODE_ANY | JSON_COMPACT);
    bool good = strstr(said, "config.json: ") && strstr(said, key) && strstr(said, shown) && strstr(said, "; ") &&
                !strchr(said, '\n') && said[strlen(said) - 1] != '.';
    free(shown);
    json_decref(parsed);
    return good;
}

static void expect_refusal(damage *d, const char *key, const char *value) {
    pare_model *model;
    write_config(d);
    d->tried++;
    bool opens = pare_model_open(d->folder, &model) == PARE_OK;
    if (opens) pare_model_close(model);
    if (!opens && is_sentence(pare_message(), key, value)) return;
    d->wrong++;
    fprintf(stderr, "%s with \"%s\": %s %s\n", family_name(d->one), key, value, opens ? "opens" : pare_message());
}

/* The kind of a key; KINDS where it may be anything, as a wrapper's own flag ties, an MPT has ALiBi always, and a
 * Gemma 3 no cap on scores. */
static kind kind_of(const damage *d, const json_t *object, const char *key) {
    if (strcmp(key, "tie_word_embeddings") == 0 && object != d->config) return KINDS;
    if (json_object_get(object, "attn_type") && (strcmp(key, "alibi") == 0 || strcmp(key, "model_type") == 0))
        return KINDS;
    const char *type = json_string_value(json_object_get(object, "model_type"));
    if (type && strcmp(type, "gemma3_text") == 0 && strcmp(key, "attn_logit_softcapping") == 0) return KINDS;
    for (kind k = 0; k < KINDS; k++)
        for (size_t i = 0; keys[k][i]; i++)
            if (strcmp(keys[k][i], key) == 0) return k;
    return KINDS;
}

/* A list of one entry too many, where there is one. */
static void lengthen(damage *d, json_t *object, const char *key, const json_t *value) {
    if (!json_is_array(value)) return;
    json_t *longer = json_deep_copy(value);
    json_array_append(longer, json_array_get(value, 0));
    char *text = json_dumps(longer, JSON_COMPACT);
    json_object_set_new(object, key, longer);
    if (strlen(text) < 100) expect_refusal(d, key, text);
    free(text);
}

static void damage_object(damage *d, json_t *object);

/* A key of a kind of models is damaged once. */
static bool is_new(damage *d, const char *key) {
    const json_t *text = json_object_get(d->config, "text_config");
    char name[128];
    snprintf(name, sizeof name, "%s %s", json_string_value(json_object_get(text ? text : d->config, "model_type")),
             key);
    if (json_object_get(d->seen, name)) return false;
    json_object_set_new(d->seen, name, json_true());
    return true;
}

/* Every value of one key, which is then as it was. */
static void damage_key(damage *d, json_t *object, const char *key) {
    json_t *kept = json_incref(json_object_get(object, key));
    kind k = kind_of(d, object, key);
    if (k < KINDS && !is_new(d, key)) k = KINDS;
    for (size_t i = 0; k < KINDS && damages[k][i]; i++) {
        json_object_set_new(object, key, json_loads(damages[k][i], JSON_DECODE_ANY, NULL));
        expect_refusal(d, key, damages[k][i]);
    }
    if (k == LIST) lengthen(d, object, key, kept);
    json_object_set(object, key, kept);
    if (json_is_object(kept)) damage_object(d, kept);
    json_decref(kept);
}

static void damage_object(damage *d, json_t *object) {
    size_t count = json_object_size(object), i = 0;
    char **names = calloc(count, sizeof *names);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) names[i++] = strdup(key);
    for (i = 0; i < count; i++) {
        if (strcmp(names[i], "vision_config") != 0) damage_key(d, object, names[i]);
        free(names[i]);
    }
    free(names);
}

static void every_key_is_checked(void **state) {
    (void)state;
    families all = families_load();
    size_t i, tried = 0, wrong = 0;
    json_t *one, *seen = json_object();
    json_array_foreach(all.cases, i, one) {
        /* Where both are there, rope_scaling holds. */
        if (json_object_get(json_object_get(one, "config"), "rope_parameters") &&
            json_object_get(json_object_get(one, "config"), "rope_scaling"))
            continue;
        damage d = {.one = one,
                    .seen = seen,
                    .folder = family_write(one, (family_form){0}),
                    .config = json_deep_copy(json_object_get(one, "config"))};
        damage_object(&d, d.config);
        json_decref(d.config);
        tiny_remove(d.folder);
        free(d.folder);
        tried += d.tried;
        wrong += d.wrong;
    }
    print_message("%zu damages\n", tried);
    json_decref(seen);
    families_free(&all);
    assert_true(tried > 3000);
    assert_int_equal(wrong, 0);
}

/* As the files of Gemma 3 4B have it: most sizes are the class's own. */
static void sizes_of_the_class(void **state) {
    (void)state;
    char *folder = tiny_folder();
    pare_config config;
    tiny_write_text(folder, "config.json",
                    "{\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"model_type\": \"gemma3\", "
                    "\"text_config\": {\"hidden_size\": 2560, \"intermediate_size\": 10240, \"model_type\": "
                    "\"gemma3_text\", \"num_hidden_layers\": 34, \"rope_scaling\": {\"factor\": 8.0, \"rope_type\": "
                    "\"linear\"}, \"sliding_window\": 1024}, \"vision_config\": {}}");
    assert_int_equal(pare_config_read(folder, &config), PARE_OK);
    assert_int_equal(config.vocabulary, 262208);
    assert_int_equal(config.hidden, 2560);
    assert_int_equal(config.layers, 34);
    assert_int_equal(config.head_size, 256);
    assert_int_equal(json_integer_value(json_object_get(config.text, "num_attention_heads")), 8);
    assert_int_equal(config.max_positions, 131072);
    assert_int_equal(config.plan[0].window, 1024);
    assert_int_equal(config.plan[5].window, 0);
    assert_true(config.tied && config.rope[0].factor > 7.9 && config.rope[0].theta > 999999.0);
    assert_true(config.rope[1].kind == PARE_ROPE_PLAIN && config.rope[1].theta < 10001.0);
    pare_config_free(&config);
    tiny_remove(folder);
    free(folder);
}

/* Two names of one key that contradict each other. */
static void two_names_of_a_key(void **state) {
    (void)state;
    char *folder = tiny_folder();
    pare_config config;
    tiny_write_text(folder, "config.json",
                    "{\"model_type\": \"bloom\", \"hidden_size\": 64, \"n_embed\": 32, \"n_layer\": 2, "
                    "\"num_attention_heads\": 4, \"vocab_size\": 64}");
    assert_int_not_equal(pare_config_read(folder, &config), PARE_OK);
    assert_non_null(strstr(pare_message(), "n_embed is 32"));
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_checked),
        cmocka_unit_test(sizes_of_the_class),
        cmocka_unit_test(two_names_of_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
