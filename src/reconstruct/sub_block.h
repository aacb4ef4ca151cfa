/* A half of a block, or a whole one, whose weights are trained. */
#ifndef PARE_RECONSTRUCT_SUB_BLOCK_H
#define PARE_RECONSTRUCT_SUB_BLOCK_H

#include "model/walk.h"
#include "reconstruct/factors.h"
#include "reconstruct/slots.h"
#include "surgery/mask.h"
#include "train/adamw.h"

typedef struct pare_sub_block {
    const pare_reconstruction *asked;
    pare_block block; /* with the weights as they are now */
    pare_part part;   /* that is trained */
    bool whole;       /* both parts are */
    int64_t batch;    /* sequences at a time */
    pare_activations activations;
    /* Of the layer in hand, by slot: where its elements lie in the arrays below, attention's in front of the FFN's. */
    size_t slots, *at, *size; /* [slots]; size 0: the layer has none */
    size_t experts;           /* where those of experts begin; of narrow experts zeros stay */
    bool narrow;
    size_t begin, count;              /* of what is trained */
    size_t room;                      /* elements of the largest layer */
    float *values, *gradient, *start; /* [room]; start: as the training found them */
    float *trained;                   /* [room] as it left them */
    float *vectors;                   /* [room] norms as they multiply, and biases */
    char *operands;                   /* operand [room] */
    pare_factors factors;             /* of asked->rank, where that is above 0 */
    pare_block_gradients gradients;
    pare_gradient_sink sink;
    /* What is no role is composed of: the values in place of the file's, and what is off. */
    pare_mask mask;
    float **stored; /* [tensor_count]; NULL where all are roles */
    pare_source source;
} pare_sub_block;

/* Bytes of a sub-block, its optimiser and attention's workspace included. */
uint64_t pare_sub_block_bytes(const pare_reconstruction *asked, int64_t batch);
pare_status pare_sub_block_new(const pare_reconstruction *asked, int64_t batch, pare_sub_block *out);
void pare_sub_block_free(pare_sub_block *sub);

/* The weights that are left of a layer. base: its block, for all but weights and widths. */
pare_status pare_sub_block_enter(pare_sub_block *sub, const pare_block *base, uint32_t layer);
/* A slot of that layer is what these elements of what is left, in the model's dtype, say. */
pare_status pare_sub_block_replace(pare_sub_block *sub, size_t slot, const void *stored);
/* What is trained from now on: a part, or the whole of a parallel block. */
void pare_sub_block_choose(pare_sub_block *sub, pare_part part);

/* out: float [tokens, d] = x and what the chosen part adds, x in `sequences` sequences, at most `batch`. */
pare_status pare_sub_block_forward(pare_sub_block *sub, int64_t sequences, const float *x, float *out);
/* After the forward: dout, the gradient of out, is lost; leaves the chosen weights' gradients. */
pare_status pare_sub_block_backward(pare_sub_block *sub, const float *x, float *dout);
/* How many numbers the optimiser of what was chosen has. */
size_t pare_sub_block_numbers(const pare_sub_block *sub);
pare_status pare_sub_block_step(pare_sub_block *sub, pare_adamw *optimizer, double rate);

/* The training is over: what it left is what shares of it are taken of. */
void pare_sub_block_finish(pare_sub_block *sub);
/* That share of the change, 0 .. 1, rounded as it will be stored. */
void pare_sub_block_take(pare_sub_block *sub, float share);
/* All of the layer's into `out`. */
pare_status pare_sub_block_deliver(const pare_sub_block *sub, pare_repaired *out);

#endif
