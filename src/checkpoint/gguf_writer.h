/* Writes a GGUF file (version 3) as a stream: metadata and tensors are declared first, so that the header can be made,
 * and no tensor is ever whole in memory. */
#ifndef PARE_CHECKPOINT_GGUF_WRITER_H
#define PARE_CHECKPOINT_GGUF_WRITER_H

#include "checkpoint/gguf_metadata.h"

typedef struct pare_gguf_declaration {
    const char *name;
    const pare_ggml_type *type; /* one that is written (ggml_types.h: encode) */
    int rank;
    uint64_t shape[PARE_GGUF_MAX_RANK]; /* outermost first; the last a multiple of the type's elements */
    const float *importance;            /* [the last size] of every column (ggml_types.h: weighed); NULL: all alike */
    uint64_t alike;                     /* rows that have one importance, the next following it; 0: all */
} pare_gguf_declaration;

/* *bytes: of the whole file. Fails on shapes too large to be true, and on rows that are no whole number of blocks. */
pare_status pare_gguf_writer_need(const pare_gguf_metadata *metadata, const pare_gguf_declaration *tensors,
                                  size_t count, uint64_t *bytes);

/* All that comes before the data section, appended to `header`, and *data: the bytes of that. For a file that is made
 * in memory (imatrix_write.c); free with pare_gguf_metadata_free in any case. */
pare_status pare_gguf_header_make(const pare_gguf_metadata *metadata, const pare_gguf_declaration *tensors,
                                  size_t count, pare_gguf_metadata *header, uint64_t *data);

typedef struct pare_gguf_writer pare_gguf_writer;

/* A new file `path` with the metadata and room for `count` tensors, which are written in this order; the declarations
 * are the caller's, and stay as long as the writer. */
pare_status pare_gguf_writer_begin(const char *path, const pare_gguf_metadata *metadata,
                                   const pare_gguf_declaration *tensors, size_t count, pare_gguf_writer **out);

/* The next numbers of the current tensor, some whole blocks of it, or whole rows where columns have an importance; when
 * a tensor is complete, the next one that is not empty becomes the current one. Refuses numbers that are not finite,
 * and those that the type cannot hold. */
pare_status pare_gguf_writer_write(pare_gguf_writer *writer, const float *values, uint64_t count);

/* After all numbers of all tensors: syncs the file. */
pare_status pare_gguf_writer_finish(pare_gguf_writer *writer);

/* Frees the writer, at any point. The file stays as it is. */
void pare_gguf_writer_close(pare_gguf_writer *writer);

#endif
