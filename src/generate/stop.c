#include "generate/stop.h"
#include "model/companions.h"
#include "model/config_fields.h"
#include "support/memory.h"

#include <stdlib.h>

enum { FILE_LIMIT = 1 << 20 };

bool pare_stop_at(const pare_stop *stop, uint32_t id) {
    for (size_t i = 0; i < stop->count; i++)
        if (stop->ids[i] == id) return true;
    return false;
}

/* out->ids stays NULL if the key is absent. An id beyond the vocabulary, or below 0, can never occur. */
static pare_status read_ids(pare_fields fields, uint32_t vocabulary, pare_stop *out) {
    static const char key[] = "eos_token_id";
    const json_t *value = pare_field(fields, key);
    if (!value) return PARE_OK;
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    PARE_TRY(pare_alloc(&out->ids, count, sizeof *out->ids, "end tokens"));
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_integer(id))
            return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a token id, or a list of them");
        json_int_t number = json_integer_value(id);
        if (number >= 0 && number < (json_int_t)vocabulary) out->ids[out->count++] = (uint32_t)number;
    }
    return PARE_OK;
}

static pare_status read_generation_config(const char *path, uint32_t vocabulary, pare_stop *out) {
    char *text;
    size_t bytes;
    json_error_t error;
    PARE_TRY(pare_file_read(path, FILE_LIMIT, &text, &bytes));
    json_t *json = json_loadb(text, bytes, 0, &error);
    pare_free(text);
    pare_status status = PARE_OK;
    if (json_is_object(json))
        status = read_ids((pare_fields){.path = path, .object = json}, vocabulary, out);
    else if (json)
        status = pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object", path);
    else
        status = pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d)", path, error.line);
    json_decref(json);
    return status;
}

pare_status pare_stop_read(const pare_model *model, const pare_tokenizer *tokenizer, pare_stop *out) {
    const char *directory;
    uint32_t vocabulary = model->config.vocabulary;
    *out = (pare_stop){0};
    PARE_TRY(pare_model_companions(model, &directory));
    char *own = pare_path_join(directory, "config.json"), *other = pare_path_join(directory, "generation_config.json");
    pare_status status = PARE_OK;
    if (pare_file_exists(other)) status = read_generation_config(other, vocabulary, out);
    if (status == PARE_OK && !out->ids)
        status = read_ids((pare_fields){.path = own, .object = model->config.json}, vocabulary, out);
    int64_t eos = tokenizer ? pare_tokenizer_eos(tokenizer) : -1;
    if (status == PARE_OK && !out->ids && eos >= 0 && eos < (int64_t)vocabulary) {
        status = pare_alloc(&out->ids, 1, sizeof *out->ids, "end tokens");
        if (status == PARE_OK) out->ids[out->count++] = (uint32_t)eos;
    }
    free(own);
    free(other);
    if (status != PARE_OK) {
        pare_free(out->ids);
        *out = (pare_stop){0};
    }
    return status;
}
