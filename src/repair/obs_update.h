/* SparseGPT (arXiv 2301.00774; spec 3): columns left to right, each pruned weight's error pushed on to the columns
 * behind it. */
#ifndef PARE_REPAIR_OBS_UPDATE_H
#define PARE_REPAIR_OBS_UPDATE_H

#include "select/element_select.h"
#include "support/cholesky.h"

/* The upper factor U of the damped inverse: H^-1 = U^T U, H = G + lambda I with 1 where the diagonal is 0. U_ii^2 is
 * the (i, i) entry of the inverse of H restricted to columns >= i. Depends on G alone: one serves all matrices with the
 * same input. */
typedef struct pare_inverse_factor {
    int64_t n;
    float *upper; /* [n, n], zeros below the diagonal */
    bool *dead;   /* [n] inputs that were always 0 */
    pare_damping damping;
    bool identity; /* it could not be factored even with damping 1: U = I, reported in `damping.raised` < 0 */
} pare_inverse_factor;

/* damping: share of the mean diagonal. what: names the inputs in messages. Escalates tenfold up to 1, then the
 * identity. PARE_NUMERIC_ERROR if gram is not finite. Free with pare_inverse_factor_free. */
pare_status pare_inverse_factor_new(const float *gram, int64_t n, double damping, const char *what,
                                    pare_inverse_factor *out);
void pare_inverse_factor_free(pare_inverse_factor *factor);
uint64_t pare_inverse_factor_bytes(int64_t n); /* held, and while it is made */

typedef struct pare_obs_update {
    const pare_inverse_factor *factor;
    int64_t slab;                      /* columns at a time; 128 */
    const pare_element_target *choose; /* the mask is chosen on the way: w^2 / U_ii^2 of the weights as they are then,
                                        * per slab (PARE_COMPARE_SLAB), per row of the slab (PARE_COMPARE_ROW) or per
                                        * pattern; NULL: the mask is given */
} pare_obs_update;

/* weights: float [rows, columns], in: dense, out: updated, exact +0 where the mask prunes. mask: out, or in. *loss (may
 * be NULL): sum of err^2 / 2 as spec 3. */
pare_status pare_obs_update_run(const pare_obs_update *update, float *weights, pare_element_mask *mask, double *loss);
uint64_t pare_obs_update_bytes(int64_t rows, int64_t columns, int64_t slab);

#endif
