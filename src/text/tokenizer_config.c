#include "text/tokenizer_config.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/extra_tokens.h"
#include "text/json_read.h"

#include <stdlib.h>

/* Of two files the first that names a token counts. A token is written as a string, or as an object with its text under
 * "content"; null or nothing names none. */
static pare_status read_token(const char *path, const json_t *json, const char *key, char **out) {
    const json_t *value = json_object_get(json, key);
    size_t bytes;
    if (*out) return PARE_OK;
    if (json_is_object(value)) return pare_json_copy_string(path, value, "content", out, &bytes);
    return json_is_string(value) ? pare_json_copy_string(path, json, key, out, &bytes) : PARE_OK;
}

static pare_status read_config(const char *path, pare_tokenizer_config *out) {
    json_t *json;
    /* model_max_length is often 10^30, which no integer holds. */
    PARE_TRY(pare_json_load(path, JSON_DECODE_INT_AS_REAL, &json));
    pare_status status = PARE_OK;
    if (json_object_get(json, "add_bos_token")) {
        status = pare_json_boolean(path, json, "add_bos_token", false, &out->add_bos);
        out->has_add_bos = json_is_boolean(json_object_get(json, "add_bos_token"));
    }
    if (json_is_false(json_object_get(json, "legacy"))) out->prefix_once = true;
    if (status == PARE_OK) status = read_token(path, json, "bos_token", &out->bos);
    if (status == PARE_OK) status = read_token(path, json, "eos_token", &out->eos);
    json_decref(json);
    return status;
}

pare_status pare_tokenizer_config_read(const char *directory, pare_tokenizer_config *out) {
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json"};
    *out = (pare_tokenizer_config){0};
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(directory, names[i]);
        if (pare_file_exists(path)) status = read_config(path, out);
        free(path);
    }
    if (status == PARE_OK) status = pare_extra_tokens_read(directory, &out->added);
    if (status != PARE_OK) pare_tokenizer_config_free(out);
    return status;
}

void pare_tokenizer_config_free(pare_tokenizer_config *config) {
    pare_free(config->bos);
    pare_free(config->eos);
    json_decref(config->added);
    *config = (pare_tokenizer_config){0};
}
