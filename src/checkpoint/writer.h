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

/* *out: all tensors of a checkpoint as they are, in their order (freed with pare_free; names are the checkpoint's). */
pare_status pare_declarations_of(const pare_checkpoint *checkpoint, pare_declaration **out);

/* At most this many bytes will all files of these tensors take, headers and index included: for the check of free
 * space. Fails on shapes too large to be true. */
pare_status pare_writer_need(const pare_declaration *tensors, size_t count, uint64_t *bytes);

typedef struct pare_writer pare_writer;

/* Will write `count` tensors (declarations are copied; names are unique) in their order into the existing folder
 * `directory`: model.safetensors, or, if their data is more than `shard_bytes` (0: PARE_SHARD_BYTES), shards of at most
 * that many bytes of data each and model.safetensors.index.json. A larger tensor is a shard of its own. */
pare_status pare_writer_begin(const char *directory, const pare_declaration *tensors, size_t count,
                              uint64_t shard_bytes, pare_writer **out);

/* The same for files of another name: STEM.safetensors, STEM-00001-of-00002.safetensors and so on. */
pare_status pare_writer_begin_named(const char *directory, const char *stem, const pare_declaration *tensors,
                                    size_t count, uint64_t shard_bytes, pare_writer **out);

/* The next bytes of the current tensor, in any number of pieces; a piece never spans two tensors. When a tensor is
 * complete the next one that is not empty becomes the current one. */
pare_status pare_writer_write(pare_writer *writer, const void *data, size_t bytes);

/* Elements [first, first + count) of a tensor that is read, as the next bytes. */
pare_status pare_writer_write_elements(pare_writer *writer, const pare_tensor *tensor, uint64_t first, uint64_t count);

/* The tensor whose bytes are due; NULL when all are there. */
const pare_declaration *pare_writer_current(const pare_writer *writer);

/* After all bytes of all tensors: completes and syncs the last file and writes the index. */
pare_status pare_writer_finish(pare_writer *writer);

/* Frees the writer, at any point. Files stay as they are. */
void pare_writer_close(pare_writer *writer);

/* Writes all bytes of the tensor that was declared as number `index`, with pare_writer_write. */
typedef pare_status (*pare_write_tensor_fn)(void *context, pare_writer *writer, size_t index);

/* Begins (with shards of the usual size), calls `write` for every tensor in turn, reporting progress of `stage` after
 * each, and finishes. */
typedef struct pare_writing {
    pare_write_tensor_fn write;
    void *context;
    const char *stage;
} pare_writing;
pare_status pare_writer_run(const char *directory, const pare_declaration *tensors, size_t count,
                            const pare_writing *writing, const pare_runtime *runtime);

#endif
