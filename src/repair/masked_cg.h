/* Weights under a fixed mask by conjugate gradients: what ALPS (arXiv 2406.07831) ends with. Every row minimises
 * (w - w0) G (w - w0)^T over its kept weights, with the diagonal of G as preconditioner; all rows share the product
 * with G. Approaches the exact least squares on the support without factoring a matrix per row.
 *
 * With a metric F of the outputs, rows are one problem, tr(F (W - W0) G (W - W0)^T), with one step for all of them and
 * the diagonals of F and G as preconditioner: a step is the product F D G, 2 rows columns (rows + columns) operations.
 */
#ifndef PARE_REPAIR_MASKED_CG_H
#define PARE_REPAIR_MASKED_CG_H

#include "backend/backend.h"
#include "select/element_mask.h"
#include "support/blocks.h"
#include "support/work.h"

/* weights: float [rows, columns], in: a start, out: fitted, exact +0 where the mask prunes. dense: float [rows,
 * columns], the target w0. gram as in layer_error.h, both triangles. A row's error falls at every step but for the
 * rounding of fp32; a row stops where its direction has no curvature left. Weights of inputs that were always 0 stay
 * as they are. */
pare_status pare_masked_cg(const float *dense, const float *gram, const pare_element_mask *mask, int32_t iterations,
                           float *weights);
uint64_t pare_masked_cg_bytes(int64_t rows, int64_t columns); /* of temporaries */

/* The same with fisher: float, symmetric blocks of rows, both triangles, or NULL: rows are independent. The error of
 * all rows together falls; weights of outputs with nothing on fisher's diagonal stay as they are. Where the backend
 * (NULL: none) has bf16 operands, the products of the steps are of these (sandwich.h); the residual at the start is
 * fp32's. */
pare_status pare_masked_cg_metric(const pare_backend *backend, const float *dense, const float *gram,
                                  const float *fisher, pare_blocks blocks, const pare_element_mask *mask,
                                  int32_t iterations, float *weights);
/* coupled: rows of a block of fisher, 0: none. */
uint64_t pare_masked_cg_metric_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns);
/* Of either. */
pare_work pare_masked_cg_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, int32_t iterations);

#endif
