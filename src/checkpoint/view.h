/* Tensors whose elements are not a run of the file: a part of a fused tensor, a transposed matrix, rows in another
 * order, numbers that are packed, or a matrix that is divided among several files (meta.h). */
#ifndef PARE_CHECKPOINT_VIEW_H
#define PARE_CHECKPOINT_VIEW_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/ggml_types.h"

/* Row r begins at element first + r / block * block_step + s of the stored tensor, with s = q / part * part_step +
 * q % part * row_step of q = r % block (part 0: q * row_step), and its columns are column_step apart. A vector's
 * elements count as rows of one column.
 *
 * With `shards`, the tensor is made of shard_count stored ones of equal shape, one behind the other by rows or, if
 * by_columns, by columns; then all of the above holds of each of them.
 *
 * With `halves`, the rows of two tensors take turns: of every `block` rows the first `split` are the first one's and
 * the others the second one's, each in its own order, and of these the tensor has those from number `skipped` on; or,
 * by_columns, of every row the first `split` elements are the first one's row, and the others the second one's. */
struct pare_view {
    int64_t first, block, block_step, row_step, column_step;
    int64_t part, part_step;
    const pare_ggml_type *type;     /* stored in blocks of this type; NULL: in the tensor's dtype */
    float shift;                    /* added to what is stored */
    const unsigned char *exponents; /* stored as MXFP4 with these apart, one for 32 elements (mxfp4.h); NULL: not */
    const void *const *shards; /* [shard_count]: their data, in files 0, 1, 2, ...; NULL: one, at the tensor's own */
    int shard_count;
    bool by_columns;
    const pare_tensor
        *halves; /* [2], whose rows are as long (but by columns), of any dtypes; NULL: it is none of two */
    int64_t split, skipped;
};

/* Rows of `columns` elements, one behind the other. */
pare_view pare_view_of_rows(int64_t columns);

/* The same, but within each head of `head` rows those that rotary positions turn together are stored side by side: row
 * r stands in place 2 (r % half) + r / half of its head, half = head / 2. */
pare_view pare_view_of_pairs(int64_t columns, int64_t head);

/* A row may be no longer than this where it is scattered. */
enum { PARE_VIEW_ROW_BYTES = 1 << 18 };

/* Rows of a matrix, and their elements; a vector is one row. */
int64_t pare_tensor_rows(const pare_tensor *tensor);
int64_t pare_tensor_columns(const pare_tensor *tensor);

/* True if the elements are a run of the stored ones, from view->first on. */
bool pare_tensor_is_run(const pare_tensor *tensor);

/* The type of what is stored, "Q4_K", "BF16" (of two halves the one with fewer bits), and the bytes that it takes. */
const char *pare_tensor_type_name(const pare_tensor *tensor);
uint64_t pare_tensor_stored_bytes(const pare_tensor *tensor);

/* Elements [first, first + count), row after row, as the tensor's shape has them: `data` of most tensors itself, else
 * gathered into `buffer` (of the tensor's dtype). */
const void *pare_tensor_elements(const pare_tensor *tensor, uint64_t first, uint64_t count, void *buffer);

/* The same as numbers. */
void pare_tensor_values(const pare_tensor *tensor, uint64_t first, size_t count, float *out);

/* Of a whole stored tensor, in the order in which it is stored. */
void pare_tensor_stored_values(const pare_tensor *tensor, uint64_t first, size_t count, float *out);

/* A run of stored bytes that is all of a tensor of a checkpoint, or one of its shards or halves. */
typedef struct pare_stored_run {
    const unsigned char *data;
    uint64_t bytes;
    size_t file;           /* index for pare_checkpoint_file */
    const pare_tensor *of; /* which has the type of what is stored */
} pare_stored_run;
int pare_tensor_run_count(const pare_tensor *tensor);
pare_stored_run pare_tensor_run(const pare_tensor *tensor, int index);

#endif
