/* Where a pass comes by the weights: in front of the blocks, at each block, and behind them. */
#ifndef PARE_MODEL_STOPS_H
#define PARE_MODEL_STOPS_H

#include "model/model.h"

/* A stop is the number of a layer, or one of these. */
enum { PARE_STOP_NOWHERE = -2, PARE_STOP_FRONT = -1 };

static inline int64_t pare_stop_behind(const pare_model *model) {
    return model->config.layers;
}

/* True if the tensor is read in front of the blocks, false if behind them. */
bool pare_end_leads(pare_end end);

/* The stop at which a tensor is read; a tied embedding, which is read at two, is in front. */
int64_t pare_tensor_stop(const pare_model *model, size_t id);
/* True if it is read at that stop. */
bool pare_tensor_stops_at(const pare_model *model, size_t id, int64_t stop);

#endif
