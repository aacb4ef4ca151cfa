/* What a rank has of a displacement. The rows of every tensor are cut into pieces that do not depend on ranks, and each
 * rank has some that follow one another: it alone moves them, and what they come to is added up piece by piece, in
 * their order. One process has them all. The functions that say so are called by all ranks alike. */
#ifndef PARE_CALIBRATE_MOREAU_ROWS_H
#define PARE_CALIBRATE_MOREAU_ROWS_H

#include "model/model.h"

enum { PARE_MOREAU_PIECES = 64 };

/* Rows [first, end) of a tensor, of so many columns. */
typedef struct pare_moreau_rows {
    int64_t first, end, columns;
} pare_moreau_rows;

/* Those of a rank of so many. */
pare_moreau_rows pare_moreau_rows_of(const pare_tensor *tensor, int rank, int ranks);
/* Elements of them. */
uint64_t pare_moreau_elements(const pare_tensor *tensor, int rank, int ranks);
/* Elements of all displaced tensors that the rank has that has most of them. */
uint64_t pare_moreau_most_elements(const pare_model *model, const bool *displaced, int ranks);

/* Adds squares[i], of row first + i of `all`, to its piece. pieces: [PARE_MOREAU_PIECES] */
void pare_moreau_add_rows(int64_t all, int64_t first, int64_t rows, const double *squares, double *pieces);

/* By all ranks. values: [count], zero where they are another rank's; then all of them, everywhere. */
pare_status pare_moreau_join_norms(float *values, uint64_t count);
/* By all ranks. counts: [count] of each; then their sums, everywhere. */
pare_status pare_moreau_join_counts(uint64_t *counts, uint64_t count);

/* By all ranks. own: the rank's rows of a tensor; all of them go to `take` on rank 0, in their order, some at a time.
 */
typedef pare_status (*pare_moreau_take_fn)(void *context, const void *values, uint64_t bytes);
pare_status pare_moreau_collect(const pare_tensor *tensor, int ranks, const float *own, pare_moreau_take_fn take,
                                void *context);
/* By all ranks. whole: all rows on rank 0, any alignment; own receives the rank's. */
pare_status pare_moreau_deal(const pare_tensor *tensor, int ranks, const void *whole, float *own);

#endif
