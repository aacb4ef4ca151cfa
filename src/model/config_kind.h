/* Which model a config.json describes, found out before its weights are opened. */
#ifndef PARE_MODEL_CONFIG_KIND_H
#define PARE_MODEL_CONFIG_KIND_H

#include "model/config_fields.h"

/* Fails with the sentence that helps if the weights are quantised, or the model is of a family that pare does not know,
 * takes more than text, or has another head than that of a causal language model. *type: the language model's
 * model_type; *text: the object that describes it, the file's own or its text_config; both borrowed. */
pare_status pare_config_kind_check(pare_fields file, const char **type, json_t **text);

/* The class of transformers that holds a language model with what is beside it; NULL: the file is of no such model. */
const char *pare_config_wrapper_class(const json_t *file);

#endif
