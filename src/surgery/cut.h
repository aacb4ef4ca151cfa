/* Writes the smaller model: the same tensors, names and dtypes, with the kept rows and columns only, and its
 * config.json. Tensors of dropped layers are left out, and the layers above them move down to close the gap. */
#ifndef PARE_SURGERY_CUT_H
#define PARE_SURGERY_CUT_H

#include "model/config_write.h"
#include "repair/repaired.h"
#include "surgery/axes.h"

/* Writes model.safetensors (or shards and their index) into the folder `directory`, straight from the mapping, some
 * rows at a time. Tensors that a LLaMA does not use go along, under their layer's new number; an LM head that is stored
 * although it is tied is cut as the embedding is. repaired: matrices that are written as they are instead of cut from
 * the original; may be NULL. */
pare_status pare_cut_write(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                           const char *directory, const pare_runtime *runtime);

/* The same with rows and columns of the caller's: axes [tensor_count], whose units may stand in any order. The
 * selection says only which layers are left. */
pare_status pare_cut_write_axes(const pare_model *model, const pare_selection *selection, const pare_axes *axes,
                                const pare_repaired *repaired, const char *directory, const pare_runtime *runtime);

/* The family in whose class it is written. */
const pare_family *pare_cut_family(const pare_model *model, const pare_selection *selection);

/* *text: its config.json, as pare_config_write makes it; freed with free(). Only the numbers of kept units count. */
pare_status pare_cut_config(const pare_model *model, const pare_selection *selection, char **text,
                            pare_config_kind *kind);

#endif
