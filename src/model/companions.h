/* The files beside a model's weights: its tokenizer's, its settings for generation. */
#ifndef PARE_MODEL_COMPANIONS_H
#define PARE_MODEL_COMPANIONS_H

#include "model/model.h"

/* *folder: where they lie. Those of a GGUF file are made of its metadata when they are first asked for, in a folder for
 * temporary files that is removed with the model: config.json, generation_config.json, and, where the metadata has
 * tokens, tokenizer.json and tokenizer_config.json. */
pare_status pare_model_companions(const pare_model *model, const char **folder);

/* Removes what was made. */
void pare_model_companions_remove(char *folder);

#endif
