/* From elements to units. Elements are summed to the indices of the cut axis of each tensor (rows of Q, K, V, gate, up;
 * columns of O, down), query indices to the key/value index they share; then the tensors of a coupled group are reduced
 * to one number per index, and the indices of a head are summed (spec: LLM-Pruner, kv-aligned under GQA). */
#ifndef PARE_IMPORTANCE_SCORES_H
#define PARE_IMPORTANCE_SCORES_H

#include "importance/salience.h"
#include "model/model.h"

typedef enum pare_reduction { PARE_REDUCE_SUM, PARE_REDUCE_MEAN } pare_reduction;

/* Per layer and matrix role: double [K h] for Q, K, V, O, [F] for gate, up, down. */
typedef struct pare_index_scores {
    uint32_t layers;
    double *(*by_role)[PARE_MATRIX_ROLES]; /* [layers] */
} pare_index_scores;

pare_status pare_index_scores_new(const pare_model *model, pare_index_scores *out);
void pare_index_scores_free(pare_index_scores *scores);

/* Adds the salience of rows [first, first + rows) of matrix `id`, whose signal is given: float [rows, columns],
 * multiplied by signal_scale; or NULL for saliences that need none. */
pare_status pare_index_scores_add(pare_index_scores *scores, const pare_model *model, const pare_salience *salience,
                                  size_t id, int64_t first, int64_t rows, const float *signal, float signal_scale);

/* Per layer: one score per key/value group and per FFN channel. Only layers [begin, end) hold scores; others are zero.
 */
typedef struct pare_unit_scores {
    uint32_t layers;
    double **heads; /* [layers][K] */
    double **ffn;   /* [layers][F] */
} pare_unit_scores;

pare_status pare_unit_scores_new(const pare_model *model, pare_unit_scores *out);
void pare_unit_scores_free(pare_unit_scores *scores);
void pare_unit_scores_reduce(const pare_index_scores *indices, const pare_model *model, pare_reduction reduction,
                             pare_unit_scores *out);
/* Uniform random scores in [0, 1): a pure function of (seed, layer, unit). */
void pare_unit_scores_random(const pare_model *model, uint64_t seed, pare_unit_scores *out);
/* PARE_NUMERIC_ERROR, naming the layer and unit, unless every score is finite. */
pare_status pare_unit_scores_check(const pare_unit_scores *scores, const pare_model *model);

#endif
