/* Weights under a mask by ADMM on the Gram matrix (Boza, arXiv 2401.02938; ALPS, arXiv 2406.07831):
 *   W <- (W0 G + rho (Z - V)) (G + rho I)^-1,   Z <- (W + V) on the mask,   V <- V + W - Z. */
#ifndef PARE_REPAIR_ADMM_H
#define PARE_REPAIR_ADMM_H

#include "select/element_select.h"
#include "support/cholesky.h"
#include "support/work.h"

typedef struct pare_admm {
    int32_t iterations;                /* 20 */
    double rho;                        /* relative to the mean diagonal of the (normalised) Gram matrix; 1 */
    double damping;                    /* added to the Gram matrix first, as in pare_damped */
    bool normalise;                    /* by the inputs' norms: columns of W times sqrt(G_ii), G to unit diagonal */
    const pare_element_target *choose; /* the mask is chosen again, ever sparser (cubic), in the first `gradual`
                                        * iterations: by |w + v| (normalised); NULL: it is given */
    int32_t gradual;
    int32_t refine; /* steps of masked conjugate gradients at the end (masked_cg.h); 0: none */
} pare_admm;

/* weights: float [rows, columns] in: dense, out: fitted, exact +0 where the mask prunes. gram: float [columns, columns]
 * symmetric, both triangles. damping: what the factorisation took (may be NULL). No row is worse than its dense weights
 * under the same mask, by the layer's error: else it gets those. PARE_NUMERIC_ERROR if gram is not finite.
 *
 * The matrix that is solved with is inverted once; it has condition columns / rho at most, so single precision does,
 * and an iteration is one product: W <- W0 + (Z - V - W0) rho (G + rho I)^-1. */
pare_status pare_admm_run(const pare_admm *admm, const float *gram, const char *what, float *weights,
                          pare_element_mask *mask, pare_damping *damping);
uint64_t pare_admm_bytes(int64_t rows, int64_t columns); /* of temporaries */
/* Of the options, numbers alone count. */
pare_work pare_admm_work(const pare_admm *admm, int64_t rows, int64_t columns);

#endif
