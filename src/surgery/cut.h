/* Writes the weights of the smaller model: the same tensors, names and dtypes, with the kept rows and columns only. */
#ifndef PARE_SURGERY_CUT_H
#define PARE_SURGERY_CUT_H

#include "select/select.h"

/* Bytes the weight files will take. */
pare_status pare_cut_need(const pare_model *model, const pare_selection *selection, uint64_t *bytes);

/* Writes model.safetensors (or shards and their index) into the folder `directory`, straight from the mapping. */
pare_status pare_cut_write(const pare_model *model, const pare_selection *selection, const char *directory,
                           const pare_runtime *runtime);

#endif
