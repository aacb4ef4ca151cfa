/* A model that computes the same with its channels in another order, so that the columns of every matrix stand as an
 * N:M pattern likes them (docs/single-weights.md, "Channel permutation"). Each order is undone by the neighbours, in
 * the weights themselves:
 *
 *   hidden  channels of the residual stream: columns of the embedding, the LM head, Q, K, V, gate and up, all norms,
 *           rows of O and Down, in all layers alike. RMSNorm does not care about the order
 *   ffn     channels of one layer's FFN: rows of gate and up, columns of Down
 *   value   channels inside the value heads of one layer: rows of V, and columns of O inside every query head that
 *           reads the value head. Q and K stay: rotary angles belong to their places */
#ifndef PARE_SURGERY_PERMUTED_MODEL_H
#define PARE_SURGERY_PERMUTED_MODEL_H

#include "surgery/axes.h"
#include "surgery/staged_model.h"

/* Place p takes what stood at order[p]; NULL: stays as it is. */
typedef struct pare_orders {
    uint32_t layers;
    uint32_t *hidden; /* [hidden] */
    uint32_t **ffn;   /* [layers] [ffn of the layer] */
    uint32_t **value; /* [layers] [kv_heads x head_size] rows of V; no channel leaves its head */
} pare_orders;

/* Everything stays. Free with pare_orders_free. */
pare_status pare_orders_new(const pare_model *model, pare_orders *out);
void pare_orders_free(pare_orders *orders);
/* True if nothing moves. */
bool pare_orders_empty(const pare_orders *orders);

/* The same per tensor. */
typedef struct pare_permuted_axes {
    pare_axes *axes;    /* [count] by tensor id; they borrow from the orders, too */
    uint32_t **columns; /* [layers] of O, one by one; NULL where they stay */
    size_t count;
    uint32_t layers;
} pare_permuted_axes;

/* Free with pare_permuted_axes_free. */
pare_status pare_permuted_axes_new(const pare_model *model, const pare_orders *orders, pare_permuted_axes *out);
void pare_permuted_axes_free(pare_permuted_axes *axes);

/* Writes the permuted model into a temporary folder and opens it (surgery/staged_model.h): weights keep their bits and
 * dtypes. PARE_BAD_ARGUMENT if an order is no permutation, or takes a value channel out of its head. Free with
 * pare_temporary_model_free. */
pare_status pare_permuted_model_new(const pare_model *model, const pare_orders *orders, const char *scratch,
                                    const pare_runtime *runtime, pare_temporary_model *out);

#endif
