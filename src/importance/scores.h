/* From elements to units. Elements are summed to the indices of the axis that is cut, per tensor; then the tensors of a
 * coupled group are reduced to one number per index, and the indices of a head are summed (spec: LLM-Pruner). */
#ifndef PARE_IMPORTANCE_SCORES_H
#define PARE_IMPORTANCE_SCORES_H

#include "importance/salience.h"
#include "model/model.h"

/* Which axis of the tensors is cut. */
typedef enum pare_score_axis {
    PARE_AXIS_WIDTHS, /* rows of Q, K, V, gate, up; columns of O, down; those of experts, too */
    PARE_AXIS_HIDDEN  /* the residual stream: columns of Q, K, V, gate, up, router, embedding, head; rows of O, down;
                         norms; experts of a layer as one FFN */
} pare_score_axis;

/* A tensor whose rows come in until all are there, for a salience that scores it as a whole. */
typedef struct pare_gathered {
    float *weights, *gradient, *squares, *scores; /* [rows, columns]; NULL where not needed */
    int64_t rows;                                 /* there so far */
} pare_gathered;

/* Per tensor: double [H h] for Q, O, [K h] for K, V, [F] for gate, up, down, of each expert, too; or [d] for every
 * tensor. */
typedef struct pare_index_scores {
    const pare_model *model;
    const pare_salience *salience;
    pare_salience_constants constants; /* the salience's own, until changed before the first rows are added */
    pare_score_axis axis;
    size_t count;       /* of tensor ids */
    double **by_tensor; /* [count], NULL where a tensor has no such axis, and of an expert until some of it is scored */
    size_t prepared;    /* 1 + id of the tensor that `factors` belong to; 0: none */
    pare_salience_factors factors;
    pare_gathered gathered;
} pare_index_scores;

/* What gathering a tensor of so many elements takes; 0 for saliences that take rows as they come. */
uint64_t pare_gathered_bytes(const pare_salience *salience, uint64_t elements);

pare_status pare_index_scores_new(const pare_model *model, const pare_salience *salience, pare_score_axis axis,
                                  pare_index_scores *out);
void pare_index_scores_free(pare_index_scores *scores);
/* Zeros for tensor `id` unless it has scores. */
pare_status pare_index_scores_room(pare_index_scores *scores, size_t id);
/* Indices that tensor `id` is scored at; 0: it is not cut along this axis. */
uint64_t pare_index_scores_count(const pare_index_scores *scores, size_t id);

/* Whole-tensor signals: rows [first, first + rows) of a matrix (a vector is one row). */
typedef struct pare_row_signals {
    const float *gradient; /* [rows, columns] */
    const float *squares;  /* [rows, columns] */
    const float *inputs;   /* [columns] */
    float gradient_scale;  /* 0: 1 */
} pare_row_signals;

/* Adds the salience of rows [first, first + rows) of tensor `id`. Tensors without scores are passed over. Along the
 * widths the biases of Q, K, V, gate and up are added to their matrices' indices, as the weights of one more input that
 * is always 1 (pare_row_signals.inputs: its norm, for each of them), unless the salience compares a weight with its
 * whole matrix. A salience that looks at a matrix as a whole reads its weights when the first of its rows are added,
 * and the inputs that come with them. PARE_BAD_ARGUMENT if it needs what rows cannot bring: outputs, the inverse, the
 * whole gradient. */
pare_status pare_index_scores_add(pare_index_scores *scores, size_t id, int64_t first, int64_t rows,
                                  const pare_row_signals *signals);

/* *with: the tensor whose scores get what is added for tensor `id`, and have room for it from now on; `count` if none
 * do. A tensor is added to its own scores before others are. */
pare_status pare_index_scores_summed(pare_index_scores *scores, size_t id, size_t *with);

/* The score of one tensor at an index; a sign goes only after the sum over the elements. */
double pare_index_at(const pare_index_scores *scores, size_t id, uint64_t index);

/* How the coupled tensors at an index become one number. first and second: of the group's members in the reference's
 * order, Q O V K for separate heads, K O V Q where heads share keys, gate up down, final norm and head for the residual
 * stream. */
typedef enum pare_reduction {
    PARE_REDUCE_SUM,
    PARE_REDUCE_MEAN,
    PARE_REDUCE_MAX,
    PARE_REDUCE_PROD,
    PARE_REDUCE_FIRST,
    PARE_REDUCE_SECOND,
    PARE_REDUCE_STANDARD /* O and down alone, by their layer's mean and deviation (reduce_standard.c) */
} pare_reduction;

/* Which query indices count for a key/value index. */
typedef enum pare_alignment {
    PARE_ALIGN_GROUP,  /* those of its own group: [K, R, h] summed over R */
    PARE_ALIGN_STRIDED /* r mod (K h), as LLM-Pruner has it, although other heads are removed: for parity only */
} pare_alignment;

/* One score per unit. Layers that were not scored hold zeros. */
typedef struct pare_unit_scores {
    uint32_t layers;
    double **heads;      /* [layers][K] KV groups */
    double **query;      /* [layers][H] query heads alone: rows of Q, columns of O */
    double **ffn;        /* [layers][F] */
    double **expert;     /* [layers][experts] */
    double **expert_ffn; /* [layers][experts * channels of each] */
    double *hidden;      /* [d] channels of the residual stream */
    double *layer;       /* [layers] whole layers */
} pare_unit_scores;

/* Those of one expert's channels. */
static inline double *pare_unit_scores_of_expert(const pare_unit_scores *scores, const pare_widths *widths,
                                                 uint32_t layer, uint32_t expert) {
    return scores->expert_ffn[layer] + (size_t)expert * widths->expert_ffn;
}

pare_status pare_unit_scores_new(const pare_model *model, pare_unit_scores *out);
void pare_unit_scores_free(pare_unit_scores *scores);
/* Fills heads, query, ffn, expert_ffn, expert (the sum over its channels) and layer (the sum over all of a layer's
 * indices) from indices along the widths, or hidden. */
void pare_unit_scores_reduce(const pare_index_scores *indices, pare_reduction reduction, pare_alignment alignment,
                             pare_unit_scores *out);
/* Uniform random scores in [0, 1): a pure function of (seed, layer, unit). */
void pare_unit_scores_random(const pare_model *model, uint64_t seed, pare_unit_scores *out);
/* PARE_NUMERIC_ERROR, naming the layer and unit, unless every score is finite. */
pare_status pare_unit_scores_check(const pare_unit_scores *scores, const pare_model *model);

#endif
