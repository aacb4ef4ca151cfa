#include "model/config.h"
#include "model/config_fields.h"
#include "model/config_kind.h"
#include "model/config_rope.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (!*json)
        return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d); fetch or write it again", path, error.line);
    if (json_is_object(*json)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object", path);
}

/* Settings that would make the model compute something other than a plain LLaMA. A Mistral has no biases, whatever its
 * file says. swish is another name of silu. */
static pare_status refuse_variants(pare_fields fields, bool mistral) {
    static const char *const flags[] = {"attention_bias", "mlp_bias"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        bool set;
        PARE_TRY(pare_field_flag(fields, flags[i], &set));
        if (set && !mistral)
            return pare_field_refuse(PARE_UNSUPPORTED, fields, flags[i], "pare knows only models without biases");
    }
    const char *activation;
    PARE_TRY(pare_field_text(fields, "hidden_act", &activation));
    if (activation && strcmp(activation, "silu") != 0 && strcmp(activation, "swish") != 0)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "hidden_act", "pare knows only silu");
    return PARE_OK;
}

/* Only a Mistral has a window; the class's own is 4096, and null says none. */
static pare_status read_positions(pare_fields fields, bool mistral, pare_config *config) {
    enum { USUAL_WINDOW = 4096, LLAMA_POSITIONS = 2048, MISTRAL_POSITIONS = 131072 };
    static const char key[] = "sliding_window";
    PARE_TRY(pare_field_whole(fields, "max_position_embeddings", 1, POSITION_LIMIT,
                              mistral ? MISTRAL_POSITIONS : LLAMA_POSITIONS, &config->stated_positions));
    config->max_positions = config->stated_positions;
    if (!mistral) return PARE_OK;
    bool stated = json_object_get(fields.object, key);
    PARE_TRY(pare_field_whole(fields, key, 1, POSITION_LIMIT, stated ? 0 : USUAL_WINDOW, &config->window));
    if (config->window && config->window < config->max_positions) config->max_positions = config->window;
    return PARE_OK;
}

char *pare_config_positions(const pare_config *config, const char *folder) {
    if (config->max_positions < config->stated_positions)
        return pare_format("the %u tokens that each token of %s sees (its sliding_window, beyond which pare does not "
                           "compute)",
                           config->max_positions, folder);
    return pare_format("the %u positions that %s was made for", config->max_positions, folder);
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

/* *id: -1 for none; the first one of a list that is in the vocabulary. One beyond it can never occur. */
static pare_status read_token(pare_fields fields, const char *key, uint32_t vocabulary, int64_t *id) {
    const json_t *value = pare_field(fields, key);
    size_t count = json_is_array(value) ? json_array_size(value) : value != NULL;
    *id = -1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_integer(one))
            return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a token id, or a list of them");
        json_int_t number = json_integer_value(one);
        if (*id < 0 && number >= 0 && number < (json_int_t)vocabulary) *id = number;
    }
    return PARE_OK;
}

static pare_status read_fields(pare_fields fields, pare_config *config) {
    uint32_t ignored;
    const char *type;
    PARE_TRY(pare_config_kind_check(fields, &type));
    snprintf(config->model_type, sizeof config->model_type, "%s", type);
    bool mistral = strcmp(type, "mistral") == 0;
    PARE_TRY(refuse_variants(fields, mistral));
    PARE_TRY(read_sizes(fields, config));
    PARE_TRY(read_width(fields, "num_key_value_heads", config->layers, 0, &ignored));
    PARE_TRY(read_width(fields, "intermediate_size", config->layers, 0, &ignored));
    PARE_TRY(read_positions(fields, mistral, config));
    PARE_TRY(pare_config_read_rope(fields, config->stated_positions, &config->rope));
    PARE_TRY(read_token(fields, "bos_token_id", config->vocabulary, &config->bos));
    return read_token(fields, "eos_token_id", config->vocabulary, &config->eos);
}

pare_status pare_config_read(const char *folder, pare_config *out) {
    *out = (pare_config){0};
    char *path = pare_path_join(folder, "config.json");
    pare_status status = parse_file(path, &out->json);
    if (status == PARE_OK) status = read_fields((pare_fields){.path = path, .object = out->json}, out);
    free(path);
    if (status != PARE_OK) pare_config_free(out);
    return status;
}

void pare_config_free(pare_config *config) {
    json_decref(config->json);
    pare_free(config->widths);
    *config = (pare_config){0};
}
