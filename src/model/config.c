#include "model/config.h"
#include "model/config_experts.h"
#include "model/config_fields.h"
#include "model/config_kind.h"
#include "model/config_latent.h"
#include "model/config_layers.h"
#include "model/config_options.h"
#include "model/config_remote.h"
#include "model/config_rope.h"
#include "model/config_spelling.h"
#include "model/config_vision.h"
#include "model/family.h"
#include "support/file.h"
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

char *pare_config_positions(const pare_config *config, const char *folder) {
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

static pare_status read_head_size(pare_fields fields, uint32_t heads, pare_config *config) {
    const char *key = pare_family_key(config->family, PARE_CONFIG_KEY_HEAD_DIM);
    uint32_t usual = config->family->fallback.head_dim;
    int64_t derived = heads && config->hidden % heads == 0 ? (int64_t)(config->hidden / heads) : -1;
    if (usual) derived = usual;
    if (!*key && !heads) key = "head_dim"; /* layers that differ */
    if (*key) PARE_TRY(pare_field_whole(fields, key, 2, HEAD_SIZE_LIMIT, derived, &config->head_size));
    if (!*key) config->head_size = derived > 0 ? (uint32_t)derived : 0;
    bool turned = config->architecture.positions == PARE_POSITIONS_ROTARY;
    if (config->head_size >= 2 && (config->head_size % 2 == 0 || !turned) && config->head_size <= HEAD_SIZE_LIMIT)
        return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the head size is %u; rotary positions need an even one, at most %d",
                     fields.path, config->head_size, HEAD_SIZE_LIMIT);
}

static pare_status read_eps(pare_fields fields, pare_config *config) {
    const pare_family *family = config->family;
    config->rms_eps = family->fixed_eps;
    if (family->fixed_eps > 0) return PARE_OK;
    return pare_field_positive(fields, pare_family_key(family, PARE_CONFIG_KEY_EPS), 1, family->fallback.eps,
                               &config->rms_eps);
}

static pare_status read_sizes(pare_fields fields, pare_config *config) {
    const pare_family *family = config->family;
    uint32_t heads, ignored;
    PARE_TRY(
        pare_field_whole(fields, pare_family_key(family, PARE_CONFIG_KEY_LAYERS), 1, LAYER_LIMIT, -1, &config->layers));
    PARE_TRY(
        pare_field_whole(fields, pare_family_key(family, PARE_CONFIG_KEY_HIDDEN), 1, WIDTH_LIMIT, -1, &config->hidden));
    if (!pare_family_reads_pictures(family))
        PARE_TRY(pare_field_whole(fields, "vocab_size", 1, WIDTH_LIMIT, -1, &config->vocabulary));
    PARE_TRY(read_eps(fields, config));
    PARE_TRY(read_width(fields, pare_family_key(family, PARE_CONFIG_KEY_HEADS), config->layers, -1, &heads));
    PARE_TRY(read_head_size(fields, heads, config));
    PARE_TRY(read_width(fields, pare_family_key(family, PARE_CONFIG_KEY_KV_HEADS), config->layers, 0, &ignored));
    PARE_TRY(read_width(fields, pare_family_key(family, PARE_CONFIG_KEY_FFN), config->layers, 0, &ignored));
    PARE_TRY(pare_field_whole(fields, pare_family_key(family, PARE_CONFIG_KEY_POSITIONS), 1, POSITION_LIMIT,
                              family->fallback.positions, &config->stated_positions));
    config->max_positions = config->stated_positions;
    config->embedding_width = config->head_width = config->hidden;
    return PARE_OK;
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

/* A wrapper's own tokens hold where its language model states none. */
static pare_status read_tokens(pare_fields fields, pare_fields file, pare_config *config) {
    pare_fields bos = pare_field(fields, "bos_token_id") ? fields : file;
    pare_fields eos = pare_field(fields, "eos_token_id") ? fields : file;
    PARE_TRY(read_token(bos, "bos_token_id", config->vocabulary, &config->bos));
    return read_token(eos, "eos_token_id", config->vocabulary, &config->eos);
}

/* A wrapper's own flag holds, whatever its language model says. */
static pare_status read_tied(pare_fields fields, pare_fields file, pare_config *config) {
    bool wrapped = fields.object != file.object;
    return pare_field_flag_or(file, "tie_word_embeddings", wrapped || config->family->fallback.tied, &config->tied);
}

static pare_status read_fields(pare_fields file, pare_config *config) {
    const char *type;
    PARE_TRY(pare_config_kind_check(file, &type, &config->text));
    pare_fields fields = {.path = file.path, .object = config->text};
    snprintf(config->model_type, sizeof config->model_type, "%s", type);
    config->family = pare_family_find(type);
    config->architecture = config->family->architecture;
    PARE_TRY(pare_config_respell(fields, type, config->text));
    PARE_TRY(read_sizes(fields, config));
    PARE_TRY(read_tied(fields, file, config));
    PARE_TRY(pare_config_read_latent(fields, config));
    PARE_TRY(pare_config_read_options(fields, config));
    PARE_TRY(pare_config_read_rope(fields, config));
    PARE_TRY(pare_config_read_latent_scale(fields, config));
    PARE_TRY(pare_config_read_layers(fields, config));
    PARE_TRY(pare_config_read_experts(fields, config));
    PARE_TRY(read_tokens(fields, file, config));
    if (pare_family_reads_pictures(config->family)) PARE_TRY(pare_config_read_vision(fields, config));
    return config->family->read ? config->family->read(fields, config) : PARE_OK;
}

pare_status pare_config_read_json(const char *path, json_t *json, pare_config *out) {
    *out = (pare_config){.json = json};
    pare_fields fields = {.path = path, .object = json};
    pare_status status = pare_config_from_remote(fields, json, &out->remote_code);
    if (status == PARE_OK) status = read_fields(fields, out);
    if (status != PARE_OK) pare_config_free(out);
    return status;
}

pare_status pare_config_read(const char *folder, pare_config *out) {
    json_t *json;
    *out = (pare_config){0};
    char *path = pare_path_join(folder, "config.json");
    pare_status status = parse_file(path, &json);
    if (status == PARE_OK)
        status = pare_config_read_json(path, json, out);
    else
        json_decref(json);
    free(path);
    return status;
}

void pare_config_free(pare_config *config) {
    json_decref(config->json);
    pare_free(config->widths);
    pare_free(config->plan);
    for (int i = 0; i < PARE_ROPES; i++)
        pare_free(config->rope[i].factors);
    *config = (pare_config){0};
}
