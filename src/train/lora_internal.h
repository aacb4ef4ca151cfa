/* LoRA factors in a flat array: what both kinds of LoRA share. */
#ifndef PARE_TRAIN_LORA_INTERNAL_H
#define PARE_TRAIN_LORA_INTERNAL_H

#include "train/trained_internal.h"

/* Elements of dW that the masked kind takes at a time: a piece that stays in the caches, and rows enough for products.
 */
enum { PARE_LORA_PIECE = 1 << 19 };

typedef struct pare_lora {
    pare_trained trained; /* first: a pare_trained is one of these */
    float scale;
    pare_lora_factors *factors; /* [tensor_count] */
    pare_low_rank *low_rank;    /* [tensor_count] the same as a source adds them */
    pare_source merged;         /* the weights with what was learnt */

    pare_adapter *list; /* [tensor_count] of the pass; NULL for the masked kind */
    pare_adapters adapters;
    char *operands; /* copies of the factors */

    float *turned; /* [count] of the masked kind: A^T at a, B^T at b */
    float *rows;   /* masked rows of dW */
    pare_gradient_sink sink;
} pare_lora;

/* A LoRA with factors for all matrices that the options name, or only those with present[id] (present may be NULL): A
 * is drawn, B is zero. The caller adds what the pass is run with. Free with pare_trained_free. */
pare_status pare_lora_new(const pare_model *model, const pare_backend *backend, const pare_lora_options *options,
                          const bool *present, bool keep_zeros, pare_lora **out);

/* LoRA as an adapter of the pass, for the matrices that are present (NULL: all that the options name). */
pare_status pare_lora_adapters_new(const pare_model *model, const pare_backend *backend,
                                   const pare_lora_options *options, const bool *present, pare_trained **out);

#endif
