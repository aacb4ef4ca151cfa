/* config.json of a model whose layers differ in width, with a modeling file of ours beside it (run/modeling_pare.py):
 * "auto_map" tells transformers, which is asked with trust_remote_code, which classes of that file are the model's. */
#ifndef PARE_MODEL_CONFIG_REMOTE_H
#define PARE_MODEL_CONFIG_REMOTE_H

#include "model/config.h"
#include "model/config_fields.h"

/* Turns the object of a config.json of that kind, or of a Nemotron-NAS model (config_blocks.h), into the one that pare
 * writes without it; any other one stays as it is. *remote: whether it named our file. */
pare_status pare_config_from_remote(pare_fields fields, json_t *json, bool *remote);

/* What became of a config.json. Texts are freed with free(). */
typedef struct pare_config_remote {
    bool vllm;     /* it is a Nemotron-NAS model's */
    char *why;     /* why it is not; NULL: it is */
    bool any_vllm; /* of versions of vLLM: all that have the class */
} pare_config_remote;

/* *text: config.json of that kind for a model whose layers differ and whose config was read from its folder; freed with
 * pare_free. */
pare_status pare_config_to_remote(const pare_config *config, char **text, pare_config_remote *out);

#endif
