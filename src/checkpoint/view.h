/* Tensors whose elements lie scattered in a stored one: a part of a fused tensor, or a transposed matrix. */
#ifndef PARE_CHECKPOINT_VIEW_H
#define PARE_CHECKPOINT_VIEW_H

#include "checkpoint/checkpoint.h"

/* Row r begins at element first + r / block * block_step + r % block * row_step of the stored tensor, and its columns
 * are column_step apart. A vector's elements count as rows of one column. */
struct pare_view {
    int64_t first, block, block_step, row_step, column_step;
};

/* A row may be no longer than this where it is scattered. */
enum { PARE_VIEW_ROW_BYTES = 1 << 18 };

/* Rows of a matrix, and their elements; a vector is one row. */
int64_t pare_tensor_rows(const pare_tensor *tensor);
int64_t pare_tensor_columns(const pare_tensor *tensor);

/* Elements [first, first + count), row after row, as the tensor's shape has them: `data` of most tensors itself, else
 * gathered into `buffer` (of the tensor's dtype). */
const void *pare_tensor_elements(const pare_tensor *tensor, uint64_t first, uint64_t count, void *buffer);

/* The same as numbers. */
void pare_tensor_values(const pare_tensor *tensor, uint64_t first, size_t count, float *out);

#endif
