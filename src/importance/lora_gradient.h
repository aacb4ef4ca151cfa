/* LoRAPrune's scores (Zhang et al. 2023): what a weight's gradient would be is estimated from the gradients of the LoRA
 * factors beside it, so that no gradient of the weights is ever made.
 *
 *   G = dB A + B dA - dB dA = dB (A - dA) + B dA        score of an element: |G (W + s B A)|
 *
 * Summed over the rows of Q, K, V, gate and up, and over the columns of O and Down; then, for attention, over the
 * indices of a KV group with all its query heads. The sums of each matrix are divided by their own L2 norm, and those
 * of the matrices that are cut together are added. */
#ifndef PARE_IMPORTANCE_LORA_GRADIENT_H
#define PARE_IMPORTANCE_LORA_GRADIENT_H

#include "model/source.h"

typedef enum pare_lora_estimate {
    PARE_LORA_GRADIENT, /* G as above */
    PARE_LORA_MAGNITUDE /* G = 1 */
} pare_lora_estimate;

/* The factors beside one matrix and their gradients. */
typedef struct pare_lora_matrix {
    const float *a, *b;   /* [rank, columns], [rows, rank] */
    const float *da, *db; /* likewise */
} pare_lora_matrix;

typedef struct pare_lora_layer {
    const pare_source *source; /* of W */
    uint32_t layer;
    int64_t rank;
    float scale; /* s */
    pare_lora_estimate estimate;
    pare_lora_matrix matrix[PARE_MATRIX_ROLES];
} pare_lora_layer;

/* index: double, the score of each row, or of each column of O and Down. Some rows at a time: never a whole matrix. The
 * same bits on any number of threads. */
pare_status pare_lora_index_scores(const pare_lora_layer *layer, pare_role role, double *index);

/* heads: double [KV groups], ffn: double [channels], added up and normalised as above; either may be NULL. */
pare_status pare_lora_unit_scores(const pare_lora_layer *layer, double *heads, double *ffn);

/* Bytes that both hold while they run. */
uint64_t pare_lora_scores_bytes(const pare_model *model, int64_t rank);

#endif
