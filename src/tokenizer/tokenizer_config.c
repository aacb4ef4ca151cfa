#include "tokenizer/tokenizer_config.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/json_read.h"

#include <stdlib.h>
#include <string.h>

/* *out: the file's object, an empty one where there is no file. */
static pare_status load(const char *directory, const char *name, json_t **out) {
    char *path = pare_path_join(directory, name);
    pare_status status = PARE_OK;
    *out = NULL;
    if (!pare_file_exists(path))
        *out = json_object();
    else /* model_max_length is often 10^30, which no integer holds */
        status = pare_json_load(path, JSON_DECODE_INT_AS_REAL, out);
    if (status == PARE_OK && !*out)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for %s", path ? path : "a tokenizer's files");
    else if (status == PARE_OK && !json_is_object(*out))
        status = pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object; fetch the file again", path);
    free(path);
    return status;
}

/* Puts the keys of special_tokens_map.json over those of tokenizer_config.json. */
static pare_status overlay(const char *directory, json_t *config) {
    json_t *map;
    pare_status status = load(directory, "special_tokens_map.json", &map);
    if (status == PARE_OK && json_object_update(config, map) != 0)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's settings");
    json_decref(map);
    return status;
}

static pare_status copy_token(const json_t *config, const char *key, char **out) {
    const char *text = pare_token_text_of(json_object_get(config, key));
    if (!text) return PARE_OK;
    PARE_TRY(pare_alloc(out, strlen(text) + 1, 1, "a token"));
    memcpy(*out, text, strlen(text));
    return PARE_OK;
}

static pare_status read_settings(const char *directory, const json_t *config, pare_tokenizer_config *out) {
    char *path = pare_path_join(directory, "tokenizer_config.json");
    pare_status status = pare_json_boolean(path, config, "add_bos_token", false, &out->add_bos);
    if (status == PARE_OK) status = pare_json_boolean(path, config, "add_eos_token", false, &out->add_eos);
    if (status == PARE_OK) status = pare_json_boolean(path, config, "add_prefix_space", false, &out->add_prefix_space);
    out->has_add_bos = json_is_boolean(json_object_get(config, "add_bos_token"));
    out->no_bos = json_is_null(json_object_get(config, "bos_token"));
    out->prefix_once = json_is_false(json_object_get(config, "legacy"));
    if (status == PARE_OK) status = copy_token(config, "bos_token", &out->bos);
    if (status == PARE_OK) status = copy_token(config, "eos_token", &out->eos);
    free(path);
    return status;
}

static pare_status take(const char *directory, const json_t *config, const json_t *added, pare_tokenizer_config *out) {
    PARE_TRY(read_settings(directory, config, out));
    return pare_extra_tokens_read(directory, config, added, &out->extra);
}

pare_status pare_tokenizer_config_take(const char *directory, const json_t *config, pare_tokenizer_config *out) {
    *out = (pare_tokenizer_config){0};
    pare_status status = take(directory, config, NULL, out);
    if (status != PARE_OK) pare_tokenizer_config_free(out);
    return status;
}

pare_status pare_tokenizer_config_read(const char *directory, bool bare_bpe, pare_tokenizer_config *out) {
    json_t *config, *added = NULL;
    *out = (pare_tokenizer_config){0};
    pare_status status = load(directory, "tokenizer_config.json", &config);
    bool complete = json_object_get(config, "added_tokens_decoder") != NULL;
    if (status == PARE_OK && !complete) status = overlay(directory, config);
    if (status == PARE_OK && !complete) status = load(directory, "added_tokens.json", &added);
    if (status == PARE_OK && bare_bpe) status = pare_bpe_style_find(directory, config, &out->style);
    if (status == PARE_OK && out->style) status = pare_bpe_style_complete(out->style, config);
    if (status == PARE_OK) status = take(directory, config, added, out);
    json_decref(config);
    json_decref(added);
    if (status != PARE_OK) pare_tokenizer_config_free(out);
    return status;
}

void pare_tokenizer_config_free(pare_tokenizer_config *config) {
    pare_free(config->bos);
    pare_free(config->eos);
    pare_extra_tokens_free(&config->extra);
    *config = (pare_tokenizer_config){0};
}
