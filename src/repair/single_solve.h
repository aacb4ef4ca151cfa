/* D = C (G + lambda I)^-1 in single precision, in half of the time and memory of double: for targets and scores that
 * can do with a few digits. By the condition of G + lambda I, which is at most width / share + 1 with lambda a share of
 * the mean diagonal, D is off by at most 2^-24 of that in its own size; in what it makes of G's inputs by far less,
 * since it is off where G has little. */
#ifndef PARE_REPAIR_SINGLE_SOLVE_H
#define PARE_REPAIR_SINGLE_SOLVE_H

#include "support/cholesky.h"
#include "support/work.h"

/* Whether all columns stay, and D is off by less than `bound` of its size at the very most. */
bool pare_single_solve_serves(const pare_damped *columns, double bound);

/* rows: float [count, width], in: C, out: D. *solved false: G could not be factored so, and rows are as they were.
 * PARE_NUMERIC_ERROR if anything is not finite. */
pare_status pare_single_solve(const pare_damped *columns, float *rows, int64_t count, bool *solved);
uint64_t pare_single_solve_bytes(int64_t width); /* of temporaries */
pare_work pare_single_solve_work(int64_t rows, int64_t width);

#endif
