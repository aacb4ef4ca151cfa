/* The dense model with the removed units switched off: what the smaller model must compute. */
#ifndef PARE_SURGERY_MASK_H
#define PARE_SURGERY_MASK_H

#include "model/source.h"
#include "select/select.h"

/* Column factors 0 and 1 for every output and down projection, for pare_source.column_scale: a unit whose output is
 * never read contributes nothing. Free with pare_mask_free. */
pare_status pare_mask_new(const pare_model *model, const pare_selection *selection, float ***column_scale);
void pare_mask_free(const pare_model *model, float **column_scale);

#endif
