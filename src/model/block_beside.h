/* What adapters add to linear layers (the formulas of adapter.h), over backend products.
 *
 * With x' = dropout(x), s the scale and dy the gradient of s B A x' (y's own where there are no output factors):
 *   low = s A x'^T       y += low^T B^T
 *   dlow = s B^T dy^T    dB += dy^T low^T    dA += dlow x'    dx += d x'/dx (dlow^T A)
 * low and dlow lie [rank, tokens]: long rows are what the products read fast. Dropout is made again wherever it is
 * needed; nothing of it is kept. */
#ifndef PARE_MODEL_BLOCK_BESIDE_H
#define PARE_MODEL_BLOCK_BESIDE_H

#include "model/block.h"

/* A linear layer: y [tokens, out] of x [tokens, in], either of them stored by feature. */
typedef struct pare_linear {
    int64_t tokens, out, in;
    bool x_by_feature, y_by_feature;
} pare_linear;

/* One product beside a matrix. */
typedef struct pare_beside {
    const pare_adapter *adapter; /* NULL, or of rank 0: there is none, and nothing is added */
    size_t id;                   /* of the matrix */
    pare_linear l;
    void *low, *dlow;
    bool dropped; /* the adapters' dropout is of it, too: x has all tokens of the micro-batch */
    bool remade;  /* low is gone when the gradient is asked for */
} pare_beside;

/* Of a matrix that is no role's. One at a time: its gradient and its input's follow each other. */
pare_beside pare_block_beside(const pare_block *block, size_t id, pare_linear linear, bool dropped);

/* y += s B A x'; leaves low. */
pare_status pare_beside_forward(const pare_block *block, const pare_beside *beside, const void *x, float *y);
/* Adds to the adapter's dA and dB; leaves dlow for the next function. */
pare_status pare_beside_gradient(const pare_block *block, const pare_beside *beside, const void *dy, const void *x);
/* Adds to dx. */
pare_status pare_beside_input_gradient(const pare_block *block, const pare_beside *beside, float *dx);

#endif
