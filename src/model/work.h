/* What passes over a model have to do (support/work.h): how many operations their matrix products take. Products that
 * are run again count as often as they run. */
#ifndef PARE_MODEL_WORK_H
#define PARE_MODEL_WORK_H

#include "model/pass.h"
#include "support/work.h"

/* A layer's products of one forward, by what they make. */
typedef struct pare_block_operations {
    double heads;     /* queries, keys and values */
    double attention; /* of their scores and the sums of values, half each */
    double merged;    /* attention's output */
    double wide;      /* gate and up */
    double narrow;    /* down */
} pare_block_operations;

pare_block_operations pare_block_operations_of(const pare_model *model, uint32_t layer, int64_t sequences,
                                               int64_t length);
/* A half of it. */
static inline double pare_attention_operations(const pare_block_operations *o) {
    return o->heads + o->attention + o->merged;
}

static inline double pare_ffn_operations(const pare_block_operations *o) {
    return o->wide + o->narrow;
}

/* Forwards of all blocks; of these and the head, which says something of every token. */
pare_work pare_work_blocks(const pare_model *model, int64_t sequences, int64_t length);
pare_work pare_work_forward(const pare_model *model, int64_t sequences, int64_t length);
/* Logits of so many tokens, and their softmax. */
pare_work pare_work_head(const pare_model *model, int64_t tokens);

/* A model of so many bytes is written, and read again. */
pare_work pare_work_writing(uint64_t bytes);
pare_work pare_work_checking(uint64_t bytes);

/* A forward, the loss and its backward. */
typedef struct pare_gradient_shape {
    int64_t sequences, length;
    bool weights; /* gradients of the blocks' matrices are made, not those of their outputs alone */
    bool head;    /* that of the head, too */
    double again; /* share of the blocks that run again for their backward */
} pare_gradient_shape;

pare_work pare_work_gradient(const pare_model *model, const pare_gradient_shape *shape);
/* With every gradient, in one micro-batch: all blocks but the last run again. */
pare_work pare_work_gradient_of_all(const pare_model *model, int64_t sequences, int64_t length);

#endif
