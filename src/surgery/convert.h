/* Writes a model as another family's class has it, where that one computes the same: parts of fused tensors by
 * themselves, rows of queries and keys in the other order of rotation, norms folded into what reads them, biases of
 * zero where the class has some. What must be done follows from the two families' rows. */
#ifndef PARE_SURGERY_CONVERT_H
#define PARE_SURGERY_CONVERT_H

#include "repair/repaired.h"
#include "surgery/axes.h"

/* True if the tensors of `family` are others than the model's, so that cutting them is not enough. */
bool pare_convert_needed(const pare_model *model, const pare_family *family);

/* Weights are changed, not only moved: they are rounded once more. */
bool pare_convert_rounds(const pare_model *model, const pare_family *family);

/* Every role of the model under its own family's names, in `dtype`; refused where tensors are fused by heads or
 * transposed. */
pare_status pare_convert_write_as(const pare_model *model, pare_dtype dtype, const pare_selection *all,
                                  const char *directory, const pare_runtime *runtime);

/* Like pare_cut_write. */
pare_status pare_convert_write(const pare_model *model, const pare_family *family, const pare_selection *selection,
                               const pare_repaired *repaired, const char *directory, const pare_runtime *runtime);

#endif
