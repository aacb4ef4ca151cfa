/* Where a pass takes its weights from: the mapped file, plus a displacement, plus noise, plus a product of low rank,
 * times masks, or what was put in its place. Nothing is ever written into the mapped weights, so nothing has to be
 * restored. */
#ifndef PARE_MODEL_SOURCE_H
#define PARE_MODEL_SOURCE_H

#include "backend/backend.h"
#include "model/model.h"

/* A matrix whose remaining weights were computed anew: it stands in the place of the stored one, with zeros where rows
 * and columns are missing. A vector is one row. */
typedef struct pare_replacement {
    const void *matrix;             /* [row_count, column_count] in the tensor's dtype, any alignment; NULL: none */
    const uint32_t *rows, *columns; /* [row_count], [column_count] where they belong, ascending; NULL: all of them */
    int64_t row_count, column_count;
} pare_replacement;

/* Rows of another tensor that make up one of the model's, taken as they are read. */
typedef struct pare_taken {
    const pare_tensor *whole; /* NULL: the tensor is its own */
    const uint32_t *units;    /* ascending, each of `width` rows */
    int64_t width, columns;   /* columns 1: elements of a vector */
} pare_taken;

typedef struct pare_source {
    const pare_model *model;
    const pare_backend *backend;
    const pare_replacement *replacement; /* [tensor_count], or NULL; these get nothing but the masks */
    float **row_scale; /* [tensor_count] [rows] 1, or 0 for rows that are off; NULL where there are none; or NULL */
    const float
        *hidden_kept; /* [hidden] 1, or 0 for channels that are off, where all that adds to them is; NULL: none is */
    int64_t hidden_count;  /* channels that are on */
    float **displacement;  /* [tensor_count] rows x columns each, NULL where there is none; or NULL */
    const bool *perturbed; /* [tensor_count] tensors that get noise; NULL: all */
    float sigma;           /* relative noise, 0: none */
    uint64_t seed, draw;
    float **column_scale;          /* [tensor_count] [columns] factors, NULL where there are none; or NULL */
    const pare_low_rank *low_rank; /* [tensor_count], rank 0 where there is none; or NULL */
    float *const *stored; /* [tensor_count] [rows, columns] that stand for the file's values, NULL where these hold; or
                             NULL */
    const pare_taken *taken; /* [tensor_count], or NULL; not what is replaced, stored, displaced, masked or perturbed */
    const bool *const *experts_off; /* [layers][experts] those that no token may choose; a layer's NULL where all may;
                                       NULL: all */
    const bool *skip_layer; /* [layers] blocks that a pass leaves out: their input passes on as it is; NULL: none */
    /* Of a displacement that several ranks have together: `displacement` holds what a pass reads at one stop
     * (model/stops.h), once this was called for it, by all ranks alike. NULL: it holds all. */
    pare_status (*arrive)(void *context, int64_t stop);
    void *arrive_context;
} pare_source;

static inline pare_status pare_source_arrive(const pare_source *source, int64_t stop) {
    return source->arrive ? source->arrive(source->arrive_context, stop) : PARE_OK;
}

/* True if some tensor may differ from the file, so that a pass needs room to compose it. */
bool pare_source_is_composed(const pare_source *source);

/* True if the pass can use the mapped tensor itself as a matrix operand: nothing to add, right type and alignment. */
bool pare_source_is_mapped(const pare_source *source, size_t id);

/* The tensor as a matrix operand: the mapping itself, or composed into `buffer` (rows * columns operands). */
const void *pare_source_operand(const pare_source *source, size_t id, void *buffer);
/* Rows [first, first + rows) of it, likewise. */
const void *pare_source_operand_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, void *buffer);
/* Rows as floats, always into `out`. */
void pare_source_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, float *out);

#endif
