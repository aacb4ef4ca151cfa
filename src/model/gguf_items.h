/* The list of what is written as GGUF, while it is made (gguf_write.h). */
#ifndef PARE_MODEL_GGUF_ITEMS_H
#define PARE_MODEL_GGUF_ITEMS_H

#include "model/gguf_write.h"

/* Items of a layer beside its roles: a router, a gate, a correction and three parts of experts; three matrices of
 * latents in place of one. */
enum { PARE_GGUF_MORE_ITEMS = 9 };

typedef struct pare_gguf_shape {
    int rank;
    bool exact; /* F32, whatever the form */
    uint64_t size[PARE_GGUF_MAX_RANK];
} pare_gguf_shape;

/* The item at the end of the list, whose name and source are set, becomes one of it. */
pare_status pare_gguf_plan_declare(pare_gguf_plan *plan, pare_gguf_shape shape, pare_gguf_place *place);

/* Router and experts of the layer, where it has some. */
pare_status pare_gguf_plan_add_experts(pare_gguf_plan *plan, uint32_t layer);

/* The matrix that makes the queries' latent, and that which makes keys and values of theirs. */
pare_status pare_gguf_plan_add_latent(pare_gguf_plan *plan, uint32_t layer);

#endif
