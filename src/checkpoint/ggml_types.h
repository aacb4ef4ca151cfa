/* Types of ggml's tensors, by the numbers that GGUF files name them with: a row of a matrix is a run of whole blocks.
 */
#ifndef PARE_CHECKPOINT_GGML_TYPES_H
#define PARE_CHECKPOINT_GGML_TYPES_H

#include "support/dtype.h"

#include <stdbool.h>

/* out: [count * elements]. Every product and sum is rounded to fp32 in the order of the format's own reference, so that
 * the numbers are its numbers, bit for bit. */
typedef void pare_ggml_decode_fn(const unsigned char *blocks, size_t count, float *out);

/* in: [count * elements], finite, of a size that the type's scales can hold. */
typedef void pare_ggml_encode_fn(const float *values, size_t count, unsigned char *out);

/* The same of one row, of `count` blocks, whose columns have an importance, importance: [count * elements], none below
 * 0: what the numbers are multiplied with in use is about so large, squared. As ggml's quantiser weighs them. */
typedef void pare_ggml_weighed_fn(const float *row, const float *importance, size_t count, unsigned char *out);

typedef struct pare_ggml_type {
    uint32_t id;
    const char *name;
    uint32_t elements, bytes;      /* of one block */
    pare_ggml_decode_fn *decode;   /* NULL: pare reads none of this type */
    pare_ggml_encode_fn *encode;   /* NULL: pare writes none of this type */
    pare_ggml_weighed_fn *weighed; /* NULL: importance changes nothing */
    bool plain;                    /* elements of `dtype`, side by side */
    pare_dtype dtype;              /* as what the elements are handed on */
} pare_ggml_type;

/* NULL: no type has this number. */
const pare_ggml_type *pare_ggml_type_find(uint32_t id);
const pare_ggml_type *pare_ggml_type_named(const char *name);
/* The rows in the order of their numbers; NULL behind the last. */
const pare_ggml_type *pare_ggml_type_at(size_t index);

/* Elements [first, first + count) of a run of blocks that begins at `data`, as floats. */
void pare_ggml_values(const pare_ggml_type *type, const void *data, uint64_t first, uint64_t count, float *out);

#endif
