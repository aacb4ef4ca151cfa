/* Writes safetensors files tensor by tensor, as a stream: what is written is declared first, so that the headers can be
 * made, and no tensor is ever whole in memory. */
#ifndef PARE_CHECKPOINT_WRITER_H
#define PARE_CHECKPOINT_WRITER_H

#include "checkpoint/checkpoint.h"

/* What transformers takes as the largest shard. */
#define PARE_SHARD_BYTES 5000000000u

typedef struct pare_declaration {
    const char *name;
    pare_dtype dtype;
    int rank;
    uint64_t shape[PARE_TENSOR_MAX_RANK];
} pare_declaration;

/* At most this many bytes will all files of these tensors take, headers and index included: for the check of free
 * space. Fails on shapes too large to be true. */
pare_status pare_writer_need(const pare_declaration *tensors, size_t count, uint64_t *bytes);

typedef struct pare_writer pare_writer;

/* Will write `count` tensors (declarations are copied; names are unique) in their order into the existing folder
 * `directory`: model.safetensors, or, if their data is more than `shard_bytes` (0: PARE_SHARD_BYTES), shards of at most
 * that many bytes of data each and model.safetensors.index.json. A larger tensor is a shard of its own. */
pare_status pare_writer_begin(const char *directory, const pare_declaration *tensors, size_t count,
                              uint64_t shard_bytes, pare_writer **out);

/* The next bytes of the current tensor, in any number of pieces; a piece never spans two tensors. When a tensor is
 * complete the next one that is not empty becomes the current one. */
pare_status pare_writer_write(pare_writer *writer, const void *data, size_t bytes);

/* The tensor whose bytes are due; NULL when all are there. */
const pare_declaration *pare_writer_current(const pare_writer *writer);

/* After all bytes of all tensors: completes and syncs the last file and writes the index. */
pare_status pare_writer_finish(pare_writer *writer);

/* Frees the writer, at any point. Files stay as they are. */
void pare_writer_close(pare_writer *writer);

#endif
