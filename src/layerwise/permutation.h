/* Orders of channels in which an N:M pattern keeps more of a model's scores (docs/single-weights.md, "Channel
 * permutation"): found on the dense model, one matrix after the other as their scores come by.
 *
 *   ffn     Down's columns, layer by layer
 *   value   O's columns inside the heads, alike in all query heads that read the same value head
 *   hidden  the columns of Q, K, V, gate and up of all layers below each other, one order for the model
 *
 * Scores are divided by their matrix's mean, so that matrices count alike, each by its size. Where the rows of all
 * layers do not fit the room, the hidden order is found on every n-th row; whether it gains is decided on all. */
#ifndef PARE_LAYERWISE_PERMUTATION_H
#define PARE_LAYERWISE_PERMUTATION_H

#include "layerwise/weights.h"
#include "report/permutation.h"

typedef struct pare_permutation_goal {
    const pare_model *model;
    const bool *pruned; /* [tensor_count] */
    pare_permutation_kind kind;
    int64_t keep, of;
    uint64_t room; /* bytes for the rows that the hidden order is found on */
} pare_permutation_goal;

typedef struct pare_permutation {
    pare_orders orders;
    pare_permutation_gain gain[PARE_CHANNEL_KINDS];
    int64_t rows, rows_seen; /* of the hidden order */
    json_t *left_alone;      /* sentences: channels that the pattern does not divide */
} pare_permutation;

/* Bytes held beside the walk. */
uint64_t pare_permutation_bytes(const pare_permutation_goal *goal);

/* job: with scores_only (pare_weights_scores), of the goal's model. Free with pare_permutation_free. */
pare_status pare_permutation_find(const pare_permutation_goal *goal, const pare_weights_job *job,
                                  pare_permutation *out);
void pare_permutation_free(pare_permutation *permutation);

#endif
