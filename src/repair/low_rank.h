/* What a changed matrix has lost, as nearly as a product of low rank can say it: EoRA (Liu et al., arXiv 2410.21271),
 * whose error is that of the layer's output. */
#ifndef PARE_REPAIR_LOW_RANK_H
#define PARE_REPAIR_LOW_RANK_H

#include "support/status.h"
#include "support/work.h"

#include <stdint.h>

/* With E [rows, columns] (W - S) and G [columns, columns] the Gram matrix of the inputs, whose lower triangle counts:
 * of all products of this rank, B A has the least tr((E - B A) G (E - B A)^T), which is the sum of all squared singular
 * values of E G^(1/2) but the largest `rank` (Eckart and Young). a: [rank, columns], b: [rows, rank]; where the rank is
 * more than the matrix has, the last rows and columns are zeros. before, after: tr(E G E^T), and that sum. The same
 * bits for the same number of threads. PARE_NUMERIC_ERROR if something is not finite. */
typedef struct pare_residual_problem {
    const float *residual, *gram;
    int64_t rows, columns, rank;
    float *a, *b;
    double before, after;
} pare_residual_problem;

pare_status pare_low_rank_fit(pare_residual_problem *problem);
uint64_t pare_low_rank_bytes(int64_t rows, int64_t columns); /* of temporaries */
pare_work pare_low_rank_work(int64_t rows, int64_t columns);

#endif
