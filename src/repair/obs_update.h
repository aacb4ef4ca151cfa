/* SparseGPT (arXiv 2301.00774; spec 3): columns left to right, each pruned weight's error pushed on to the columns
 * behind it. */
#ifndef PARE_REPAIR_OBS_UPDATE_H
#define PARE_REPAIR_OBS_UPDATE_H

#include "repair/inverse_factor.h"
#include "select/element_select.h"
#include "support/work.h"

typedef struct pare_obs_update {
    const pare_inverse_factor *factor;
    int64_t slab;                      /* columns at a time; 128 */
    const pare_element_target *choose; /* the mask is chosen on the way: w^2 / U_ii^2 of the weights as they are then,
                                        * per slab (PARE_COMPARE_SLAB), per row of the slab (PARE_COMPARE_ROW) or per
                                        * pattern; NULL: the mask is given */
} pare_obs_update;

/* weights: float [rows, columns], in: dense, out: updated, exact +0 where the mask prunes. mask: out, or in. *loss (may
 * be NULL): sum of err^2 / 2 as spec 3, with the factor's H.
 *
 * Dead inputs cost nothing: their weights are scored 0, so they go first, and pruning them changes no other weight;
 * those that the mask keeps stay as they are. A slab is made wide enough for whole patterns. The mask and the weights
 * do not depend on the number of threads but through OpenBLAS's products. PARE_NUMERIC_ERROR if a weight is not
 * finite. */
pare_status pare_obs_update_run(const pare_obs_update *update, float *weights, pare_element_mask *mask, double *loss);
uint64_t pare_obs_update_bytes(int64_t rows, int64_t columns, int64_t slab); /* of temporaries */
pare_work pare_obs_update_work(int64_t rows, int64_t columns, int64_t slab);

#endif
