/* The files beside a model's weights: its tokenizer's, its settings for generation. */
#ifndef PARE_MODEL_COMPANIONS_H
#define PARE_MODEL_COMPANIONS_H

#include "model/model.h"

typedef struct pare_companions {
    char *folder; /* NULL: none was made */
    int lock;     /* held on it (checkpoint/temporary.h); -1: none */
} pare_companions;

/* *folder: where they lie. Those of a GGUF file are made of its metadata when they are first asked for, in a folder for
 * temporary files that is removed with the model, or by the next one if the program was killed: config.json,
 * generation_config.json, and, where the metadata has tokens, tokenizer.json and tokenizer_config.json. */
pare_status pare_model_companions(const pare_model *model, const char **folder);

/* Removes what was made. */
void pare_model_companions_remove(pare_companions *companions);

#endif
