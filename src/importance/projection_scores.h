/* Scores of the channels of every projection by itself: what its own elements add up to, before the tensors of a group
 * are reduced to one number. */
#ifndef PARE_IMPORTANCE_PROJECTION_SCORES_H
#define PARE_IMPORTANCE_PROJECTION_SCORES_H

#include "importance/scores.h"

/* All zero: none. */
typedef struct pare_projection_scores {
    uint32_t layers;
    double **channels; /* [layers * PARE_MATRIX_ROLES][count]; NULL: not scored, or the model has no such matrix */
    uint32_t *count;   /* [layers * PARE_MATRIX_ROLES] */
} pare_projection_scores;

/* Of the matrices that `scored` [tensor ids] names, along the axis that is cut: rows of Q, K, V, gate and up, columns
 * of O and down; or the hidden channels of each. Free with pare_projection_scores_free in any case. */
pare_status pare_projection_scores_of(const pare_index_scores *indices, const bool *scored,
                                      pare_projection_scores *out);
void pare_projection_scores_free(pare_projection_scores *scores);

#endif
