/* Reading values out of a parsed tokenizer.json, with a sentence for each that is not as it should be. */
#ifndef PARE_TOKENIZER_JSON_READ_H
#define PARE_TOKENIZER_JSON_READ_H

#include "support/status.h"

#include <jansson.h>

/* Reads and parses the JSON file with jansson's `flags`; *out is freed with json_decref. */
pare_status pare_json_load(const char *path, size_t flags, json_t **out);

/* The string under `key`, with a NUL behind it, freed with pare_free. */
pare_status pare_json_copy_string(const char *path, const json_t *json, const char *key, char **text, size_t *bytes);
/* `missing` where the key is absent or null. */
pare_status pare_json_boolean(const char *path, const json_t *json, const char *key, bool missing, bool *out);

typedef struct pare_json_step {
    const char *type;
    const json_t *json;
} pare_json_step;

typedef struct pare_json_steps {
    pare_json_step *steps;
    size_t count, room;
} pare_json_steps;

/* The step `json` (NULL and null: no steps), or, where its type is "Sequence", the steps of its list `key`, laid out
 * flat. `what` names them in messages. Free with pare_json_steps_free. */
pare_status pare_json_steps_read(const char *path, const json_t *json, const char *what, const char *key,
                                 pare_json_steps *out);
void pare_json_steps_free(pare_json_steps *steps);

#endif
