/* Which tokens end a text: eos_token_id of generation_config.json, else of config.json, else the tokenizer's EOS; a
 * number or a list of numbers in the files. */
#ifndef PARE_GENERATE_STOP_H
#define PARE_GENERATE_STOP_H

#include "model/model.h"

typedef struct pare_stop {
    uint32_t *ids; /* freed with pare_free; NULL if there are none */
    size_t count;
} pare_stop;

/* Ids are below the vocabulary size; a file that names others is refused. tokenizer may be NULL. */
pare_status pare_stop_read(const pare_model *model, const pare_tokenizer *tokenizer, pare_stop *out);

bool pare_stop_at(const pare_stop *stop, uint32_t id);

#endif
