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

/* From so many weights on the error need not be measured. */
enum { PARE_OBS_UPDATE_MANY = 1 << 16 };

/* What an update came to, and what of it is written: float [rows, columns]. */
typedef struct pare_obs_outcome {
    const float *dense, *updated, *written;
    const float *gram; /* of which the diagonal is read */
    int64_t rows;
    double loss; /* of pare_obs_update_run */
} pare_obs_outcome;

/* *error: tr(D G D^T) of D = written - dense, without a product. Errors of columns add up to the rise of tr(D H D^T), H
 * being G with the damping on the diagonal of inputs that are not dead; what is rounded off afterwards adds its squares
 * times G's diagonal, since it has no direction. As near as the factor is to H (its `residual`; 1e-4), and, rounded to
 * bf16, the nearer the more weights there are: 4e-3 of 3000; 2e-3 of 100,000 and more, where the error is a hundred
 * thousandth of the output's energy, 7e-5 on average (docs/scale.md). NaN where the factor is the identity. */
pare_status pare_obs_update_error(const pare_inverse_factor *factor, const pare_obs_outcome *outcome, double *error);
uint64_t pare_obs_update_bytes(int64_t rows, int64_t columns, int64_t slab); /* of temporaries */
pare_work pare_obs_update_work(int64_t rows, int64_t columns, int64_t slab);

#endif
