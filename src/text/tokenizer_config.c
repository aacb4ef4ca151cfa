#include "text/tokenizer_config.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/json_read.h"

#include <stdlib.h>

/* A token is written as a string, or as an object with its text under "content"; null or nothing names none. */
static pare_status read_token(const char *path, const json_t *json, const char *key, char **out) {
    const json_t *value = json_object_get(json, key);
    size_t bytes;
    if (json_is_object(value)) return pare_json_copy_string(path, value, "content", out, &bytes);
    return json_is_string(value) ? pare_json_copy_string(path, json, key, out, &bytes) : PARE_OK;
}

static pare_status read_config(const char *path, pare_tokenizer_config *out) {
    json_t *json;
    /* model_max_length is often 10^30, which no integer holds. */
    PARE_TRY(pare_json_load(path, JSON_DECODE_INT_AS_REAL, &json));
    pare_status status = pare_json_boolean(path, json, "add_bos_token", false, &out->add_bos);
    out->has_add_bos = json_is_boolean(json_object_get(json, "add_bos_token"));
    if (status == PARE_OK) status = read_token(path, json, "bos_token", &out->bos);
    if (status == PARE_OK) status = read_token(path, json, "eos_token", &out->eos);
    json_decref(json);
    return status;
}

pare_status pare_tokenizer_config_read(const char *directory, pare_tokenizer_config *out) {
    *out = (pare_tokenizer_config){0};
    char *path = pare_path_join(directory, "tokenizer_config.json");
    pare_status status = pare_file_exists(path) ? read_config(path, out) : PARE_OK;
    free(path);
    if (status != PARE_OK) pare_tokenizer_config_free(out);
    return status;
}

void pare_tokenizer_config_free(pare_tokenizer_config *config) {
    pare_free(config->bos);
    pare_free(config->eos);
    *config = (pare_tokenizer_config){0};
}
