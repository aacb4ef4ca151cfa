/* What a GGUF file says of a model beside its shapes: what it is, where it comes from, how it was pruned. */
#ifndef PARE_MODEL_GGUF_GENERAL_H
#define PARE_MODEL_GGUF_GENERAL_H

#include "model/gguf_write.h"

/* As the Hub names them; NULL: not known. */
typedef struct pare_gguf_licence {
    const char *licence, *name, *link;
} pare_gguf_licence;

typedef struct pare_gguf_about {
    const char *name; /* of the model, for people */
    const char *base; /* what it was made of: a folder, or one of the Hugging Face cache; NULL: itself, or not known */
    const char *id;   /* ORG/NAME of that on the Hub, where the base does not show it; or NULL */
    pare_gguf_licence licence;
    const char *folder; /* of the files beside its weights: pruning.json, tokenizer, generation_config.json */
} pare_gguf_about;

/* All metadata of the file: general.*, what the plan's architecture asks for, tokenizer.*, and of a model that was
 * pruned general.finetune and pare.*. Free with pare_gguf_metadata_free, on failure as well. */
pare_status pare_gguf_describe(const pare_gguf_plan *plan, const pare_gguf_about *about, pare_gguf_metadata *out);

#endif
