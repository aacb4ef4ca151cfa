/* Importance matrices: how large the inputs of a model's matrices are, as llama.cpp's llama-imatrix measures it for
 * llama-quantize (imatrix.c and imatrix_legacy.c have the layouts). */
#ifndef PARE_CHECKPOINT_IMATRIX_H
#define PARE_CHECKPOINT_IMATRIX_H

#include "checkpoint/gguf_metadata.h"

/* Of one matrix. */
typedef struct pare_imatrix_entry {
    char *name;                   /* first, as imatrix.c sorts by it: "blk.3.attn_q.weight" */
    uint64_t width, matrices;     /* matrices: 1, or the experts that lie in one tensor */
    const unsigned char *squares; /* float [matrices, width], little-endian, of any alignment */
    double scale;                 /* of these */
    const unsigned char *counts;  /* float [matrices], likewise: tokens; NULL: `count` */
    double count;
} pare_imatrix_entry;

typedef struct pare_imatrix_file {
    pare_gguf file;              /* closed, where the file is an old one */
    pare_mapping mapping;        /* of an old one; else empty */
    const char *path;            /* of either */
    pare_imatrix_entry *entries; /* [count], by name */
    size_t count;
    uint32_t chunks, chunk_length; /* sequences, and tokens of each; 0: it does not say */
} pare_imatrix_file;

/* True if the file is one by its first bytes: any GGUF file, or an old importance matrix. No text begins like that. */
bool pare_imatrix_is(const char *path);

/* Maps the file and checks names, shapes and counts; the sums are checked when they are taken. A GGUF file of another
 * kind is refused. On failure *out is empty. Free with pare_imatrix_close. */
pare_status pare_imatrix_open(const char *path, pare_imatrix_file *out);
void pare_imatrix_close(pare_imatrix_file *imatrix);

/* The first text that the file says it was measured on, freed with free(); NULL: it says none. */
pare_status pare_imatrix_dataset(const pare_imatrix_file *imatrix, char **out);

bool pare_imatrix_has(const pare_imatrix_file *imatrix, const char *name);

/* squares [width]: sums over all tokens of the squared inputs of the matrix `name`; *tokens: how many these were.
 * Refuses, naming the matrix: one that is not there, another width, several matrices in one, a count that is not
 * positive, sums that are negative or not finite. */
pare_status pare_imatrix_take(const pare_imatrix_file *imatrix, const char *name, int64_t width, double *squares,
                              double *tokens);

/* The same of matrix `index` of `matrices` that are in one, which may have seen no tokens. */
pare_status pare_imatrix_take_one(const pare_imatrix_file *imatrix, const char *name, uint32_t matrices, uint32_t index,
                                  int64_t width, double *squares, double *tokens);

/* What is written of one matrix. */
typedef struct pare_imatrix_row {
    const char *name;
    int64_t width;
    uint32_t matrices;     /* that are in one; 0: it is one matrix */
    const double *squares; /* [matrices, width] */
    const double *tokens;  /* [matrices] that each has seen; NULL: all */
} pare_imatrix_row;

/* The whole file, as llama-imatrix would write it, in out->bytes [out->size]; free with pare_gguf_metadata_free.
 * dataset: where the text came from; chunks sequences of `length` tokens each. PARE_NUMERIC_ERROR if a sum is none of
 * fp32. */
pare_status pare_imatrix_image(const pare_imatrix_row *rows, size_t count, const char *dataset, uint32_t chunks,
                               uint32_t length, pare_gguf_metadata *out);

/* Reads an old file, mapped at out->mapping, into out->entries. */
bool pare_imatrix_is_legacy(const char *path);
pare_status pare_imatrix_read_legacy(pare_imatrix_file *out);

#endif
