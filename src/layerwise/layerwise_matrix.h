/* One matrix on its way from dense to pruned: what its parts (layerwise_matrix.c) hand to each other. */
#ifndef PARE_LAYERWISE_LAYERWISE_MATRIX_H
#define PARE_LAYERWISE_LAYERWISE_MATRIX_H

#include "layerwise/layerwise_internal.h"

/* l->dense is what it is to come close to, l->weights what it becomes. */
typedef struct pare_matrix_job {
    pare_layerwise *l;
    uint32_t layer;
    pare_role role;
    size_t id;
    int64_t rows, columns;
    pare_input_statistics *statistics;
    pare_element_target target;
    pare_element_mask mask;
    bool scored; /* l->scores are what the mask came from */
    pare_matrix_result *result;
} pare_matrix_job;

/* l->weights <- l->dense */
void pare_matrix_restore(const pare_matrix_job *m);
/* True if the mask was settled before the walk. */
bool pare_matrix_is_given(const pare_matrix_job *m);

/* The mask by other weights: dynamic ones or exact swaps, as the recipe says, which must have a refinement. */
pare_status pare_matrix_refine(pare_matrix_job *m);
/* What that takes, and what the recipe's repair takes for a matrix [rows, columns], without the metric of the loss. */
uint64_t pare_refiner_bytes(const pare_element_recipe *recipe, int64_t columns);
uint64_t pare_solver_bytes(const pare_recipe *recipe, int64_t rows, int64_t columns);

/* True if the recipe's repair finds the mask by itself. */
bool pare_matrix_solver_chooses(const pare_matrix_job *m);
/* l->weights <- what is left under the mask, repaired as the recipe says; choose: with a mask of its own. */
pare_status pare_matrix_solve(pare_matrix_job *m, bool choose);
/* The mask that SparseGPT chooses on its way; l->weights are lost. */
bool pare_matrix_sweep_chooses(const pare_matrix_job *m);
pare_status pare_matrix_choose_in_sweep(pare_matrix_job *m);

#endif
