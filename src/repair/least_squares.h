/* Least squares for the surviving columns of a matrix. Over the calibration tokens a layer computes y = W x, and with
 * only the columns k left it is to come close to the target t = W x + r:
 *
 *   W' = argmin  sum |t - W' x_k|^2 + lambda |W' - W_k|^2
 *   D  = W' - W_k,   D (G_kk + lambda I) = W_r G_rk + C_k
 *
 * with G = sum x x^T, C = sum r x^T and r the removed columns. The ridge pulls towards the old weights, not towards
 * zero: with nothing removed and r = 0 the solution is W itself, to the bit. Everything is computed in fp64. */
#ifndef PARE_REPAIR_LEAST_SQUARES_H
#define PARE_REPAIR_LEAST_SQUARES_H

#include "support/cholesky.h"
#include "support/work.h"

typedef struct pare_least_squares {
    int64_t rows;
    pare_damped columns; /* G, the kept columns, damping */
    const float *cross;  /* C: [rows, width], or NULL: r = 0 */
    double residual;     /* sum of |r|^2 */
    bool shared;         /* all ranks solve it at the same time, and each does some of the rows (support/peer.h) */
} pare_least_squares;

typedef struct pare_fit {
    double before, after; /* sum of |t - W_k x_k|^2 and |t - W' x_k|^2 */
    pare_damping damping;
} pare_fit;

/* Bytes of temporaries for these sizes. */
uint64_t pare_least_squares_bytes(int64_t rows, int64_t width);
/* And what is to be done for one of which `kept` columns stay. */
pare_work pare_least_squares_work(int64_t rows, int64_t width, int64_t kept);

/* weights: float [rows, width], in: W, out: W' in the kept columns and zero in the others. */
pare_status pare_least_squares_solve(const pare_least_squares *problem, float *weights, pare_fit *out);

#endif
