/* Matrices of a checkpoint by the names that people see. */
#ifndef PARE_REPORT_MATRIX_NAME_H
#define PARE_REPORT_MATRIX_NAME_H

#include "model/model.h"

/* What a matrix is looked for in: a model, or a checkpoint that pare has no family for. */
typedef struct pare_matrix_source {
    pare_model *model; /* or NULL */
    pare_checkpoint *checkpoint;
} pare_matrix_source;

/* Free with pare_matrix_source_close. A model that pare_model_open does not know is a checkpoint alone. */
pare_status pare_matrix_source_open(const char *path, pare_matrix_source *out);
void pare_matrix_source_close(pare_matrix_source *source);

typedef struct pare_named_matrix {
    const pare_tensor *tensor; /* of the source: stored, or a part of what is stored, [out, in] */
    int64_t rows, columns;     /* of more dimensions: the first that is not 1, and those behind it */
    size_t id;                 /* among the model's tensors; SIZE_MAX: it plays no role */
} pare_named_matrix;

/* name: as pare inspect --tensors shows it, or a LLaMA's name of the matrix that plays that role
 * ("layers.3.mlp.up_proj" whatever the family); ".weight" and what comes before "layers" may be left out, as far as one
 * tensor is meant. Of matrices that are stored fused, each part has a name of its own (of its role), beside the stored
 * one. Fails with the nearest name, or with two of those that are meant. */
pare_status pare_matrix_find(const pare_matrix_source *source, const char *name, pare_named_matrix *out);

/* Of a tensor of the source's. Refuses vectors and empty tensors. */
pare_status pare_matrix_of(const pare_matrix_source *source, const pare_tensor *tensor, size_t id,
                           pare_named_matrix *out);

#endif
