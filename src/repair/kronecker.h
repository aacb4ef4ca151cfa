/* Mask and weights of a matrix in the metric of the loss: the error of its output as the loss feels it,
 *   E(X) = tr(Fd (X - W) Hd (X - W)^T),   Hd = H + damping mean diag H I,   Fd = F + fisher_damping mean diag F I,
 * H the inputs' Gram matrix and F the outputs' Fisher matrix (sum over tokens of g g^T, g the loss's gradient at the
 * matrix's output): the Kronecker-factored second-order model of the loss (Martens and Grosse, arXiv 1503.05671). F may
 * be made of blocks along its diagonal, such as one of each head.
 *
 * Two ways, both followed by `refine` steps of conjugate gradients on the support (masked_cg.h):
 * ADMM (kronecker_admm.c): in coordinates where both diagonals are 1, with a penalty that grows,
 *   B <- argmin tr(F (B - W) H (B - W)^T) + rho |B - D + V / rho|^2, by `inner` steps of conjugate gradients that are
 *   preconditioned with (F + sqrt(rho) I)^-1 and (H + sqrt(rho) I)^-1,
 *   D <- B + V / rho on the mask, chosen by |B + V / rho|,   V <- V + rho (B - D).
 *   An iteration takes 2 rows columns (2 rows of a block + columns) operations, and for every inner step but the first
 *   twice 2 rows columns (rows of a block + columns).
 * Sweep (kronecker_sweep.c): SparseGPT with errors that go on to the rows below as well as to the columns behind, in
 *   rows columns (rows of a block + columns) operations in all.
 *
 * Without F, or with a diagonal one, rows are independent: then the sweep is SparseGPT's own, the steps are the plain
 * ones, and no product with F is taken. */
#ifndef PARE_REPAIR_KRONECKER_H
#define PARE_REPAIR_KRONECKER_H

#include "backend/backend.h"
#include "select/element_select.h"
#include "support/blocks.h"
#include "support/cholesky.h"
#include "support/work.h"

typedef struct pare_kronecker {
    const pare_backend *backend;       /* for products of operands where they are bf16 (sandwich.h); NULL: in fp32 */
    const float *gram;                 /* [columns, columns] symmetric, both triangles */
    double damping;                    /* 0.01 */
    const float *fisher;               /* blocks of `block` rows (support/blocks.h), both triangles, or NULL */
    int64_t block;                     /* 0: one block, [rows, rows] */
    const float *fisher_diagonal;      /* [rows], where fisher is NULL; or NULL: the unit matrix */
    double fisher_damping;             /* 0.1 */
    const pare_element_target *choose; /* the mask is chosen; NULL: it is given. Not PARE_COMPARE_GLOBAL */
    bool sweep;                        /* instead of ADMM */
    int64_t slab;                      /* of the sweep: columns at a time, 128 */
    int32_t iterations, inner;         /* of ADMM; 20, 1 */
    double rho, growth;                /* of ADMM, the first penalty and its factor per iteration; 0.1, 1.15 */
    int32_t refine;                    /* conjugate gradient steps; 5 */
    const char *what;                  /* names the matrix in messages: "layer 3's down projection" */
} pare_kronecker;

extern const pare_kronecker pare_kronecker_defaults; /* the numbers above; for ADMM, without matrices and name */

typedef struct pare_kronecker_result {
    double before, after;      /* E of the target under the mask, and of the result: never more */
    pare_damping gram, fisher; /* as used: raised tenfold, up to 1, while the matrix is not positive definite */
} pare_kronecker_result;

/* weights: float [rows, columns], in: the target W, out: fitted, exact +0 where the mask prunes. mask: out, or in.
 *
 * Inputs that were always 0 (H_ii = 0) and, with fisher_damping 0, outputs that the loss does not feel (F_oo = 0) cost
 * nothing: their weights are scored 0, so they go first, and those that stay keep their values. An F that is 0
 * everywhere says nothing and is taken as the unit matrix; one that is diagonal is taken as its diagonal. A pattern's
 * or slab's mask is chosen on the way of the sweep, all others before it. The same result for the same number of
 * threads. PARE_NUMERIC_ERROR if anything is not finite. */
pare_status pare_kronecker_run(const pare_kronecker *kronecker, float *weights, pare_element_mask *mask,
                               pare_kronecker_result *result);
/* Of temporaries. coupled: rows of each block of the Fisher matrix, 0: none; of the rest, numbers alone count. */
uint64_t pare_kronecker_bytes(const pare_kronecker *kronecker, int64_t coupled, int64_t rows, int64_t columns);
pare_work pare_kronecker_work(const pare_kronecker *kronecker, int64_t coupled, int64_t rows, int64_t columns);

#endif
