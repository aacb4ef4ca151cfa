/* What a GGUF file says of a model beside its shapes: what it is, where it comes from, how it was pruned. */
#ifndef PARE_MODEL_GGUF_GENERAL_H
#define PARE_MODEL_GGUF_GENERAL_H

#include "model/gguf_write.h"

typedef struct pare_gguf_about {
    const char *name; /* of the model, for people */
    const char *base; /* what it was made of: a folder, or one of the Hugging Face cache; NULL: itself, or not known */
    const char *folder; /* of the files beside its weights: pruning.json, tokenizer, generation_config.json */
} pare_gguf_about;

/* All metadata of the file: general.*, what the plan's architecture asks for, tokenizer.*, and of a model that was
 * pruned general.finetune and pare.*. Free with pare_gguf_metadata_free, on failure as well. */
pare_status pare_gguf_describe(const pare_gguf_plan *plan, const pare_gguf_about *about, pare_gguf_metadata *out);

#endif
