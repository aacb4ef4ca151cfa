/* How the numbers of a GGUF file are stored: one type for all matrices, or a mix, as llama.cpp's llama-quantize mixes
 * them. */
#ifndef PARE_MODEL_GGUF_FORM_H
#define PARE_MODEL_GGUF_FORM_H

#include "checkpoint/ggml_types.h"
#include "model/roles.h"
#include "support/status.h"

typedef struct pare_gguf_form {
    const char *name;         /* "q4_k_m" */
    const char *other;        /* a second name for it; or NULL */
    uint32_t file_type;       /* general.file_type */
    const char *type;         /* of matrices */
    const char *head;         /* of the head, and of an embedding that is the head; NULL: the same */
    const char *more, *first; /* of V and Down in the layers that count most, and in the first ones; NULL: the same */
    const char *fused;        /* of Q, K and V in one tensor; NULL: the same */
    const char *weighed;      /* of Down in the first layers, with the importance of columns; NULL: the same */
} pare_gguf_form;

/* PARE_BAD_ARGUMENT, with the names that there are, if none is called so. NULL: the default, f16. */
pare_status pare_gguf_form_find(const char *name, const pare_gguf_form **out);
/* NULL behind the last. */
const pare_gguf_form *pare_gguf_form_at(size_t index);

/* What is asked of a form. */
typedef struct pare_gguf_place {
    bool head;      /* the head, or an embedding in its place */
    bool layered;   /* it lies in layer `layer` of `layers`, as `role`; else it is another one at the ends */
    pare_role role; /* the first one of a fused tensor */
    bool fused;
    bool latent;      /* what makes queries, keys and values goes through latents */
    bool weighed;     /* its columns have an importance */
    uint32_t experts; /* that the model's layers have; 0: none */
    uint32_t layer, layers;
    uint64_t columns;
} pare_gguf_place;

/* The type of such a matrix. *narrow: true if its rows are no whole number of blocks of the type that it should have,
 * so that it has another one, which takes more room. */
const pare_ggml_type *pare_gguf_form_type(const pare_gguf_form *form, const pare_gguf_place *place, bool *narrow);

#endif
