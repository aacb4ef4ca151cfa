/* What is left of a model without a copy of it: its tensors, with fewer rows that are taken as they are read, and
 * repaired matrices. It computes what the cut model does, at that model's widths. */
#ifndef PARE_SURGERY_NARROW_MODEL_H
#define PARE_SURGERY_NARROW_MODEL_H

#include "model/source.h"
#include "repair/repaired.h"

typedef struct pare_narrow_model {
    pare_model model;     /* all that is not here is the whole model's */
    pare_widths *widths;  /* [layers] */
    pare_tensor *tensors; /* [tensor_count] those that are narrower */
    const pare_tensor **list;
    pare_taken *taken; /* [tensor_count] */
} pare_narrow_model;

/* Bytes that one holds. */
uint64_t pare_narrow_model_bytes(const pare_model *model);

/* Layers and hidden channels must all stay, and whatever loses columns be repaired. All that is given must live as
 * long. Free with pare_narrow_model_free. */
pare_status pare_narrow_model_new(const pare_model *model, const pare_selection *selection,
                                  const pare_repaired *repaired, pare_narrow_model *out);
void pare_narrow_model_free(pare_narrow_model *narrow);

/* Makes a source of the whole model, with nothing put over it, one of this. */
void pare_narrow_model_apply(const pare_narrow_model *narrow, pare_source *source);

#endif
