/* The factor of a damped inverse Gram matrix that SparseGPT's update walks along (spec 3).
 *
 * H = G + lambda I = R R^T with R upper triangular (the Cholesky factor of the matrix with rows and columns reversed,
 * reversed back), and U = R^-1: one factorisation and one triangular inverse, 2/3 n^3 operations, where factor, inverse
 * and factor of the inverse take twice as many. In single precision where that is enough: random probes z tell by the
 * residual |H (U^T U z) - z| / |z|, which is the error in H that the factor stands for, relative to H's smallest
 * eigenvalues; in double precision where it is not. */
#ifndef PARE_REPAIR_INVERSE_FACTOR_H
#define PARE_REPAIR_INVERSE_FACTOR_H

#include "support/cholesky.h"
#include "support/work.h"

typedef enum pare_factor_precision {
    PARE_FACTOR_AUTO, /* single, double where the residual of single is too large */
    PARE_FACTOR_SINGLE,
    PARE_FACTOR_DOUBLE
} pare_factor_precision;

/* H^-1 = U^T U, with 1 on H's diagonal where G's is 0. U_ii^2 is the (i, i) entry of the inverse of H restricted to
 * columns >= i. Depends on G alone: one serves all matrices with the same input. */
typedef struct pare_inverse_factor {
    int64_t n;
    float *upper; /* [n, n], zeros below the diagonal */
    bool *dead;   /* [n] inputs that were always 0 */
    pare_damping damping;
    bool identity; /* it could not be factored even with damping 1: U = I, reported by `damping.raised` < 0 */
    bool in_double;
    double residual; /* of the factor in use, by random probes */
} pare_inverse_factor;

/* gram: float [n, n] symmetric, both triangles. damping: share of the mean diagonal. what: names the inputs in
 * messages. Escalates tenfold up to 1, then the identity. PARE_NUMERIC_ERROR if gram is not finite. Free with
 * pare_inverse_factor_free. */
pare_status pare_inverse_factor_new(const float *gram, int64_t n, double damping, const char *what,
                                    pare_inverse_factor *out);
pare_status pare_inverse_factor_new_precise(const float *gram, int64_t n, double damping, const char *what,
                                            pare_factor_precision precision, pare_inverse_factor *out);
void pare_inverse_factor_free(pare_inverse_factor *factor);
uint64_t pare_inverse_factor_held_bytes(int64_t n);
uint64_t pare_inverse_factor_bytes(int64_t n); /* while it is made, double precision and what is held included */
/* What is to be done, where fp32 is precise enough. */
pare_work pare_inverse_factor_work(int64_t n);

#endif
