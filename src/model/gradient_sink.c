#include "model/gradient_sink.h"

bool pare_gradient_all(void *context, size_t id) {
    (void)context, (void)id;
    return true;
}

bool pare_gradient_none(void *context, size_t id) {
    (void)context, (void)id;
    return false;
}

pare_status pare_gradient_dropped(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                  const float *gradient, const float *samples) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)samples;
    return PARE_OK;
}
