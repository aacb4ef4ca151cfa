/* One GGUF file (versions 2 and 3, little-endian): metadata and tensors, mapped and checked whole. */
#ifndef PARE_CHECKPOINT_GGUF_H
#define PARE_CHECKPOINT_GGUF_H

#include "checkpoint/ggml_types.h"
#include "support/file.h"
#include "support/status.h"

/* Kinds of values, by their numbers in the file. */
typedef enum pare_gguf_kind {
    PARE_GGUF_UINT8,
    PARE_GGUF_INT8,
    PARE_GGUF_UINT16,
    PARE_GGUF_INT16,
    PARE_GGUF_UINT32,
    PARE_GGUF_INT32,
    PARE_GGUF_FLOAT32,
    PARE_GGUF_BOOL,
    PARE_GGUF_STRING,
    PARE_GGUF_ARRAY,
    PARE_GGUF_UINT64,
    PARE_GGUF_INT64,
    PARE_GGUF_FLOAT64,
    PARE_GGUF_KINDS
} pare_gguf_kind;

enum { PARE_GGUF_VERSION = 3, PARE_GGUF_ALIGNMENT = 32, PARE_GGUF_MAX_RANK = 4 };

/* Not ended by a NUL. */
typedef struct pare_gguf_text {
    const char *bytes;
    uint64_t length;
} pare_gguf_text;

typedef struct pare_gguf_entry {
    char *key;           /* first, as gguf.c asks */
    pare_gguf_kind kind; /* of an array: of its elements; arrays of arrays are checked and not kept (count 0) */
    bool array;
    uint64_t count;            /* elements; 1 unless it is an array */
    const unsigned char *data; /* numbers: [count], of any alignment */
    pare_gguf_text *texts;     /* strings: [count] */
} pare_gguf_entry;

typedef struct pare_gguf_tensor {
    char *name; /* first, as gguf.c asks */
    const pare_ggml_type *type;
    int rank;
    uint64_t shape[PARE_GGUF_MAX_RANK]; /* outermost first */
    uint64_t count, bytes;
    const unsigned char *data;
} pare_gguf_tensor;

typedef struct pare_gguf {
    pare_mapping mapping;
    uint32_t version;
    uint64_t alignment, data_begin;
    pare_gguf_entry *entries;
    size_t entry_count;
    pare_gguf_tensor *tensors; /* in the order of the file */
    size_t tensor_count;
} pare_gguf;

/* True if the file begins as GGUF files do. */
bool pare_gguf_is(const char *path);

/* Maps the file and checks all of it: names, kinds, counts and lengths lie within the file, names are unique, tensors
 * lie one behind the other at multiples of the alignment up to the file's end. On failure *out is empty. */
pare_status pare_gguf_open(const char *path, pare_gguf *out);
void pare_gguf_close(pare_gguf *file);

/* "u32", "arr", ...: as other programs print them. */
const char *pare_gguf_kind_name(pare_gguf_kind kind);
/* Bytes of a number; 0 for strings and arrays. */
size_t pare_gguf_kind_size(pare_gguf_kind kind);

/* UTF-8 without NUL. */
bool pare_gguf_is_text(pare_gguf_text text);

/* NULL: none of that name. */
const pare_gguf_entry *pare_gguf_find(const pare_gguf *file, const char *key);

/* Element `index` of numbers and truth values. */
bool pare_gguf_is_number(const pare_gguf_entry *entry);
bool pare_gguf_is_whole(const pare_gguf_entry *entry);
double pare_gguf_real_at(const pare_gguf_entry *entry, uint64_t index);
/* Beyond int64_t: INT64_MAX. */
int64_t pare_gguf_whole_at(const pare_gguf_entry *entry, uint64_t index);

/* A single value. Fails where it is of another kind, or (numbers) outside of [least, most]; absent: `fallback`. */
pare_status pare_gguf_whole(const pare_gguf *file, const char *key, int64_t least, int64_t most, int64_t fallback,
                            int64_t *out);
pare_status pare_gguf_real(const pare_gguf *file, const char *key, double fallback, double *out);
pare_status pare_gguf_flag(const pare_gguf *file, const char *key, bool fallback, bool *out);
/* Freed with free(); NULL where it is absent. Must be UTF-8 without NUL. */
pare_status pare_gguf_string(const pare_gguf *file, const char *key, char **out);
/* NULL where it is absent; an array of strings (texts[count]) or of whole numbers or reals. */
pare_status pare_gguf_list(const pare_gguf *file, const char *key, bool texts, const pare_gguf_entry **out);

#endif
