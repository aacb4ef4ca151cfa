/* Where a pass takes its weights from: the mapped file, plus a displacement, plus noise, times a mask. Nothing is ever
 * written into the mapped weights, so nothing has to be restored. */
#ifndef PARE_MODEL_SOURCE_H
#define PARE_MODEL_SOURCE_H

#include "backend/backend.h"
#include "model/model.h"

typedef struct pare_source {
    const pare_model *model;
    const pare_backend *backend;
    float **displacement;  /* [tensor_count] rows x columns each, NULL where there is none; or NULL */
    const bool *perturbed; /* [tensor_count] tensors that get noise; NULL: all */
    float sigma;           /* relative noise, 0: none */
    uint64_t seed, draw;
    float **column_scale;   /* [tensor_count] [columns] factors, NULL where there are none; or NULL */
    const bool *skip_layer; /* [layers] blocks that a pass leaves out: their input passes on as it is; NULL: none */
} pare_source;

/* True if the pass can use the mapped tensor itself as a matrix operand: nothing to add, right type and alignment. */
bool pare_source_is_mapped(const pare_source *source, size_t id);

/* The tensor as a matrix operand: the mapping itself, or composed into `buffer` (rows * columns operands). */
const void *pare_source_operand(const pare_source *source, size_t id, void *buffer);
/* Rows [first, first + rows) of it, likewise. */
const void *pare_source_operand_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, void *buffer);
/* Rows as floats, always into `out`. */
void pare_source_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, float *out);

#endif
