/* Down projections of a layer's experts, fitted to what the layer lacks. With shares a_e(t) as tokens give them to the
 * experts of the pruned model, and h_e what the down projection W_e of an expert reads:
 *
 *   r(t) = target(t) - output of the pruned layer(t)
 *   D_e  = argmin sum_t |r(t) - a_e(t) D_e h_e(t)|^2 + lambda |D_e|^2
 *
 * expert after expert, in PARE_EXPERT_SWEEPS turns, each with what the ones before it have left of r. One expert's
 * weights and one Gram matrix are held at a time, and r of all tokens. */
#ifndef PARE_LAYERWISE_EXPERT_FIT_H
#define PARE_LAYERWISE_EXPERT_FIT_H

#include "layerwise/layerwise.h"

enum { PARE_EXPERT_SWEEPS = 2 };

/* A fitted down projection [d, channels of an expert], zero where channels are gone: to be put in place of what the
 * pruned block has, and rounded there as it will be stored. */
typedef pare_status pare_expert_put_fn(void *context, size_t id, float *values);

typedef struct pare_expert_fit {
    pare_layerwise *l;
    double dense;   /* share of the dense model's own states in targets, the rest being the dense layer's output for the
                       states of the pruned one */
    double damping; /* as a share of the Gram matrix's mean diagonal */
    bool behind;    /* the dense stream stands behind the layer already, else this takes it there */
    pare_expert_put_fn *put;
    void *context;

    uint32_t layer, expert; /* in hand */
    const uint32_t *kept;   /* its channels; NULL: all */
    int64_t kept_count;
    pare_stream residual; /* r of all tokens */
    float *room;          /* [micro-batch tokens, d] */
    void *scaled;         /* operand [micro-batch tokens, f] share times what a down projection reads */
    float *wide;          /* the same in fp32 */
    void *left;           /* operand [micro-batch tokens, d] r of an expert's tokens */
    float *gram, *cross;  /* [f, f], [d, f] */
    float *weights, *old; /* [d, f] */
    void *change;         /* operand [d, f] */
    bool seen;            /* the sums hold something */
    int64_t reached;      /* tokens of all sequences that reach the expert */
    double squares;       /* of r */
} pare_expert_fit;

/* Runs over the micro-batches of a layer of which so many experts stay; bytes that add up in one of them. */
uint64_t pare_expert_fit_runs(uint32_t experts);
uint64_t pare_expert_fit_added_bytes(const pare_config *config);

/* Bytes: of sums, weights and solvers, and of r and the room of micro-batches; and what there is to do in a layer of
 * which so many experts stay. */
uint64_t pare_expert_fit_sums_bytes(const pare_layerwise_request *request);
uint64_t pare_expert_fit_token_bytes(const pare_layerwise_request *request);
pare_work pare_expert_fit_work(const pare_layerwise_request *request, uint32_t experts);

/* Room for the walk's micro-batches; free with pare_expert_fit_free in any case. */
pare_status pare_expert_fit_new(pare_layerwise *l, pare_expert_fit *out);
void pare_expert_fit_free(pare_expert_fit *fit);

/* Of the layer in hand, the pruned stream being between its attention and its FFN. out: the squares of r before and
 * after. */
pare_status pare_expert_fit_layer(pare_expert_fit *fit, uint32_t layer, const pare_kept *kept, pare_fit *out);

#endif
