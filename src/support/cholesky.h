/* Damped Gram matrices: Cholesky factors through LAPACK, in double precision unless a name says float, and what is
 * solved with them.
 *
 * OpenBLAS is given as many threads as OpenMP has, at every call: the same number of threads gives the same bits.
 * Matrices are row-major; of a symmetric one the lower triangle counts. */
#ifndef PARE_SUPPORT_CHOLESKY_H
#define PARE_SUPPORT_CHOLESKY_H

#include "support/status.h"

/* The part of a Gram matrix that belongs to some of its columns, plus lambda on the diagonal. */
typedef struct pare_damped {
    const float *gram; /* [width, width] */
    int64_t width;
    const uint32_t *kept; /* [count] ascending; NULL: all, count = width */
    int64_t count;
    double damping;   /* lambda as a share of the mean of gram's diagonal; >= 0 */
    const char *what; /* names the inputs in messages: "the inputs of layer 3's down projection" */
} pare_damped;

typedef struct pare_damping {
    double lambda, share; /* as used in the end; share of the mean diagonal */
    int32_t raised;       /* times that the factorisation failed and damping went up tenfold (from 0: to 1e-8) */
    int64_t dead; /* kept columns with nothing on the diagonal: they get 1 there, so that they stay as they are */
} pare_damping;

/* factor: double [count, count], its lower triangle L with L L^T = gram[kept, kept] + lambda I. PARE_NUMERIC_ERROR if
 * gram is not finite, or cannot be factored even with damping 1. */
pare_status pare_cholesky_damped(const pare_damped *damped, double *factor, pare_damping *out);

/* L from the lower triangle of a, in place; false unless a is positive definite and finite. */
bool pare_cholesky(double *a, int64_t n);

/* The same in single precision, in half of the time and memory; what it loses grows with the matrix's condition. */
bool pare_cholesky_float(float *a, int64_t n);

/* L^-1 in place of L, the lower triangle alone; L has no zero on its diagonal. */
void pare_triangle_invert(double *factor, int64_t n);
void pare_triangle_invert_float(float *factor, int64_t n);

/* rows <- rows (L L^T)^-1, rows: [count, n]. */
void pare_cholesky_solve(const double *factor, int64_t n, double *rows, int64_t count);

/* (L L^T)^-1 in place of L, both triangles. */
pare_status pare_cholesky_inverse(double *factor, int64_t n);

pare_status pare_cholesky_inverse_float(float *factor, int64_t n);

/* Copies the lower triangle to the upper one; rows of `a` lie `stride` apart. */
void pare_mirror(double *a, int64_t n, int64_t stride);
void pare_mirror_float(float *a, int64_t n, int64_t stride);

/* The mean of the diagonal of gram [width, width]. PARE_NUMERIC_ERROR, naming `what`, unless all of it is finite. */
pare_status pare_gram_mean(const float *gram, int64_t width, const char *what, double *mean);

/* To be called before products through OpenBLAS. */
void pare_blas_threads(void);

#endif
