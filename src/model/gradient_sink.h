/* What a pare_gradient_sink may want, and do with it: everything, nothing, and nothing. */
#ifndef PARE_MODEL_GRADIENT_SINK_H
#define PARE_MODEL_GRADIENT_SINK_H

#include "model/block.h"

bool pare_gradient_all(void *context, size_t id);
bool pare_gradient_none(void *context, size_t id);
pare_status pare_gradient_dropped(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                  const float *gradient, const float *samples);

#endif
