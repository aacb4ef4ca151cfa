/* What an importance matrix (checkpoint/imatrix.h) says of a model's inputs, as a pass over text would have found it.
 */
#ifndef PARE_CALIBRATE_IMATRIX_H
#define PARE_CALIBRATE_IMATRIX_H

#include "calibrate/input_norms.h"
#include "checkpoint/imatrix.h"

/* Matrices are found by the names that the model's GGUF file has for them. wanted: [tensor_count] those whose inputs
 * are needed; NULL: all. Refuses, naming the matrix, what pare_imatrix_take refuses, and matrices of the same inputs
 * whose sums differ; and models that no GGUF file can hold. Free with pare_input_norms_free. */
pare_status pare_imatrix_norms(const pare_imatrix_file *imatrix, const pare_model *model, const bool *wanted,
                               pare_input_norms *out);

#endif
