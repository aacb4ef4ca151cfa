#include "checkpoint/config.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/config_tensors.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Far above any known model, far below what could overflow in a product of two. */
enum {
    FILE_LIMIT = 16 << 20,
    LAYER_LIMIT = 10000,
    WIDTH_LIMIT = 1 << 24,
    HEAD_SIZE_LIMIT = 1024,
    POSITION_LIMIT = 1 << 30
};

static pare_status parse_file(const char *path, json_t **json) {
    char *text;
    size_t bytes;
    json_error_t error;
    *json = NULL;
    PARE_TRY(pare_file_read(path, FILE_LIMIT, &text, &bytes));
    *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    pare_free(text);
    if (!*json && json_error_code(&error) == json_error_duplicate_key)
        return pare_fail(PARE_FORMAT_ERROR, "%s has the same key twice, the second in line %d", path, error.line);
    if (!*json) return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d)", path, error.line);
    if (json_is_object(*json)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object", path);
}

static pare_status read_architecture(pare_fields fields, pare_config *config) {
    static const char known[] = "pare knows llama and mistral (LlamaForCausalLM, MistralForCausalLM)";
    const char *type = json_string_value(pare_field(fields, "model_type"));
    if (!type || (strcmp(type, "llama") != 0 && strcmp(type, "mistral") != 0))
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "model_type", known);
    snprintf(config->model_type, sizeof config->model_type, "%s", type);
    const json_t *architectures = pare_field(fields, "architectures");
    for (size_t i = 0; i < json_array_size(architectures); i++) {
        const char *name = json_string_value(json_array_get(architectures, i));
        /* The first LLaMA repositories spell it LLaMAForCausalLM. */
        if (name && (strcasecmp(name, "LlamaForCausalLM") == 0 || strcmp(name, "MistralForCausalLM") == 0))
            return PARE_OK;
    }
    if (!architectures) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, "architectures", known);
}

/* Settings that would make the model compute something other than a plain LLaMA. */
static pare_status refuse_variants(pare_fields fields) {
    static const char *const flags[] = {"attention_bias", "mlp_bias"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set;
        PARE_TRY(pare_field_flag(fields, flags[i], &set));
        if (set) return pare_field_refuse(PARE_UNSUPPORTED, fields, flags[i], "pare knows only models without biases");
    }
    const char *activation;
    PARE_TRY(pare_field_text(fields, "hidden_act", &activation));
    if (activation && strcmp(activation, "silu") != 0)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "hidden_act", "pare knows only silu");
    if (pare_field(fields, "quantization_config"))
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "quantization_config",
                                 "pare prunes models that are not quantised; take the original");
    return PARE_OK;
}

static pare_status check_window(pare_fields fields, uint32_t max_positions) {
    uint32_t window;
    PARE_TRY(pare_field_whole(fields, "sliding_window", 1, POSITION_LIMIT, 0, &window));
    if (window == 0 || window >= max_positions) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, "sliding_window",
                             "pare knows only models whose attention sees all of max_position_embeddings");
}

/* A number, or a list of one number per layer. *number: 0 for a list. Absent: `fallback`. */
static pare_status read_width(pare_fields fields, const char *key, uint32_t layers, int64_t fallback,
                              uint32_t *number) {
    const json_t *list = pare_field(fields, key);
    if (!json_is_array(list)) return pare_field_whole(fields, key, 1, WIDTH_LIMIT, fallback, number);
    *number = 0;
    if (json_array_size(list) == layers) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key,
                             "a list must have one number for each of num_hidden_layers");
}

static pare_status read_sizes(pare_fields fields, pare_config *config) {
    PARE_TRY(pare_field_whole(fields, "num_hidden_layers", 1, LAYER_LIMIT, -1, &config->layers));
    PARE_TRY(pare_field_whole(fields, "hidden_size", 1, WIDTH_LIMIT, -1, &config->hidden));
    PARE_TRY(pare_field_whole(fields, "vocab_size", 1, WIDTH_LIMIT, -1, &config->vocabulary));
    int64_t positions = strcmp(config->model_type, "mistral") == 0 ? 131072 : 2048; /* where the file has none */
    PARE_TRY(pare_field_whole(fields, "max_position_embeddings", 1, POSITION_LIMIT, positions, &config->max_positions));
    PARE_TRY(pare_field_positive(fields, "rms_norm_eps", 1, 1e-6, &config->rms_eps));
    PARE_TRY(pare_field_flag(fields, "tie_word_embeddings", &config->tied));
    uint32_t heads;
    PARE_TRY(read_width(fields, "num_attention_heads", config->layers, -1, &heads));
    int64_t derived = heads && config->hidden % heads == 0 ? (int64_t)(config->hidden / heads) : -1;
    PARE_TRY(pare_field_whole(fields, "head_dim", 2, HEAD_SIZE_LIMIT, derived, &config->head_size));
    if (config->head_size >= 2 && config->head_size % 2 == 0 && config->head_size <= HEAD_SIZE_LIMIT) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the head size is %u; rotary positions need an even one, at most %d",
                     fields.path, config->head_size, HEAD_SIZE_LIMIT);
}

/* *id: -1 for none; the first one of a list. */
static pare_status read_token(pare_fields fields, const char *key, uint32_t vocabulary, int64_t *id) {
    const json_t *value = pare_field(fields, key);
    if (json_array_size(value) > 0) value = json_array_get(value, 0);
    *id = json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value) : -1;
    if ((!value || json_is_integer(value)) && *id < (int64_t)vocabulary) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a token id of the vocabulary");
}

static pare_status read_llama3(pare_fields fields, pare_rope_config *rope) {
    PARE_TRY(pare_field_positive(fields, "low_freq_factor", 1e6, -1, &rope->low_frequency_factor));
    PARE_TRY(pare_field_positive(fields, "high_freq_factor", 1e6, -1, &rope->high_frequency_factor));
    PARE_TRY(
        pare_field_positive(fields, "original_max_position_embeddings", POSITION_LIMIT, -1, &rope->original_positions));
    if (rope->high_frequency_factor > rope->low_frequency_factor) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, "high_freq_factor", "it must be above low_freq_factor");
}

/* `scaling` is rope_parameters (transformers 5) or rope_scaling (before), with the kind under rope_type or type. */
static pare_status read_scaling(pare_fields scaling, pare_rope_config *rope) {
    const char *key = pare_field(scaling, "rope_type") ? "rope_type" : "type", *kind;
    PARE_TRY(pare_field_text(scaling, key, &kind));
    double rotated;
    PARE_TRY(pare_field_positive(scaling, "partial_rotary_factor", 1, 1, &rotated));
    if (rotated < 1)
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, "partial_rotary_factor", "pare rotates whole heads only");
    if (!kind || strcmp(kind, "default") == 0 || strcmp(kind, "none") == 0) return PARE_OK;
    bool linear = strcmp(kind, "linear") == 0;
    if (!linear && strcmp(kind, "llama3") != 0)
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, key,
                                 "pare knows the RoPE scalings default, linear and llama3");
    rope->kind = linear ? PARE_ROPE_LINEAR : PARE_ROPE_LLAMA3;
    PARE_TRY(pare_field_positive(scaling, "factor", 1e6, -1, &rope->factor));
    return linear ? PARE_OK : read_llama3(scaling, rope);
}

static pare_status read_rope(pare_fields fields, pare_rope_config *rope) {
    *rope = (pare_rope_config){.kind = PARE_ROPE_PLAIN};
    PARE_TRY(pare_field_positive(fields, "rope_theta", 1e15, 10000, &rope->theta));
    double rotated;
    PARE_TRY(pare_field_positive(fields, "partial_rotary_factor", 1, 1, &rotated));
    if (rotated < 1)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "partial_rotary_factor", "pare rotates whole heads only");
    const char *key = pare_field(fields, "rope_parameters") ? "rope_parameters" : "rope_scaling", *inner;
    const json_t *scaling = pare_field(fields, key);
    if (!scaling) return PARE_OK;
    if (!json_is_object(scaling)) return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be an object");
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)scaling, inner, value) {
        if (json_is_object(value))
            return pare_field_refuse(PARE_UNSUPPORTED, fields, key,
                                     "pare knows one setting of RoPE for all layers only");
    }
    pare_fields nested = {.path = fields.path, .object = scaling};
    PARE_TRY(pare_field_positive(nested, "rope_theta", 1e15, rope->theta, &rope->theta));
    return read_scaling(nested, rope);
}

/* A list of widths must be the tensors'; so must a number from which the head size was derived. */
static pare_status check_width(pare_fields fields, const char *key, uint32_t layer, uint32_t real) {
    const json_t *value = pare_field(fields, key);
    if (!value || (!json_is_array(value) && pare_field(fields, "head_dim"))) return PARE_OK;
    const json_t *stated = json_is_array(value) ? json_array_get(value, layer) : value;
    if (json_is_integer(stated) && json_integer_value(stated) == (int64_t)real) return PARE_OK;
    char expected[128];
    snprintf(expected, sizeof expected, "the tensors of layer %u have %u%s", layer, real,
             json_is_array(value) ? "" : ": correct it, or give head_dim if layers differ");
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, expected);
}

static pare_status check_widths(pare_fields fields, const pare_config *config) {
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        PARE_TRY(check_width(fields, "num_attention_heads", layer, config->widths[layer].heads));
        PARE_TRY(check_width(fields, "num_key_value_heads", layer, config->widths[layer].kv_heads));
        PARE_TRY(check_width(fields, "intermediate_size", layer, config->widths[layer].ffn));
    }
    return PARE_OK;
}

static pare_status read_fields(pare_fields fields, pare_config *config) {
    uint32_t ignored;
    PARE_TRY(read_architecture(fields, config));
    PARE_TRY(refuse_variants(fields));
    PARE_TRY(read_sizes(fields, config));
    PARE_TRY(read_width(fields, "num_key_value_heads", config->layers, 0, &ignored));
    PARE_TRY(read_width(fields, "intermediate_size", config->layers, 0, &ignored));
    PARE_TRY(check_window(fields, config->max_positions));
    PARE_TRY(read_rope(fields, &config->rope));
    PARE_TRY(read_token(fields, "bos_token_id", config->vocabulary, &config->bos));
    return read_token(fields, "eos_token_id", config->vocabulary, &config->eos);
}

pare_status pare_config_read(const pare_checkpoint *checkpoint, pare_config *out) {
    *out = (pare_config){0};
    char *path = pare_path_join(pare_checkpoint_directory(checkpoint), "config.json");
    pare_status status = parse_file(path, &out->json);
    pare_fields fields = {.path = path, .object = out->json};
    if (status == PARE_OK) status = read_fields(fields, out);
    if (status == PARE_OK) status = pare_config_measure(checkpoint, out);
    if (status == PARE_OK) status = check_widths(fields, out);
    free(path);
    if (status != PARE_OK) pare_config_free(out);
    return status;
}

void pare_config_free(pare_config *config) {
    json_decref(config->json);
    pare_free(config->widths);
    *config = (pare_config){0};
}
