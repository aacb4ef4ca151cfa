/* Scores that are divided by their layer's number (architecture.h): where layers below one go, its queries are scaled
 * so that what the new number divides is what it was. */
#ifndef PARE_SURGERY_LAYER_SCALE_H
#define PARE_SURGERY_LAYER_SCALE_H

#include "select/selection.h"

/* What the elements of tensor `id` are multiplied by; 1 for all but queries of layers that move. */
double pare_layer_scale_of(const pare_model *model, const pare_selection *selection, size_t id);
/* True if some are. */
bool pare_layer_scale_is_used(const pare_model *model, const pare_selection *selection);
/* elements: [count] of this dtype, rounded to it again. */
void pare_layer_scale_apply(double scale, pare_dtype dtype, size_t count, void *elements);

#endif
