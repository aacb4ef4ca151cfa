/* A model that lives as long as someone works with it: weights in a scratch folder, opened like any other. For the
 * steps of iterative pruning, and to evaluate what will not be kept. */
#ifndef PARE_SURGERY_STAGED_MODEL_H
#define PARE_SURGERY_STAGED_MODEL_H

#include "repair/repaired.h"

typedef struct pare_temporary_model {
    pare_model *model;
    char *folder;
    int lock; /* on the folder (checkpoint/temporary.h); -1: none; with no folder, nothing */
} pare_temporary_model;

/* Cuts `model` into a new folder in `scratch` (NULL: the runtime's, $TMPDIR or /tmp) and opens the result. Files beside
 * weights and config.json are links to those of `model`, so that the temporary one finds the tokenizer and generation
 * settings of the original, which must stay where it is. The weight files lose their names as soon as they are mapped:
 * their room is free again when the model is closed or the program ends, however it ends; a folder that a killed
 * program has left goes with the next one in that place. repaired: may be NULL. On
 * failure, an interrupt too, nothing is left. Free with pare_temporary_model_free. */
pare_status pare_temporary_model_new(const pare_model *model, const pare_selection *selection,
                                     const pare_repaired *repaired, const char *scratch, const pare_runtime *runtime,
                                     pare_temporary_model *out);

/* Closes the model and removes its folder. Keeps this thread's message. All zero is fine. */
void pare_temporary_model_free(pare_temporary_model *temporary);

/* The halves of making one, for other writers: a folder with the links alone, or with config.json, too; then, when it
 * has weights, the model, which reads pictures from the album of `from`. Free in any case. */
pare_status pare_temporary_model_folder(const pare_model *model, const char *scratch, const pare_runtime *runtime,
                                        pare_temporary_model *out);
pare_status pare_temporary_model_begin(const pare_model *model, const pare_selection *selection, const char *scratch,
                                       const pare_runtime *runtime, pare_temporary_model *out);
pare_status pare_temporary_model_open(pare_temporary_model *temporary, const pare_model *from);

#endif
