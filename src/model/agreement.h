/* What ranks have to have alike before they share a computation (support/peer.h). */
#ifndef PARE_MODEL_AGREEMENT_H
#define PARE_MODEL_AGREEMENT_H

#include "backend/backend.h"
#include "model/model.h"

/* Fails on all ranks alike, naming the first that differs from rank 0, unless they have the same number format,
 * instruction set, number of threads and model. Of the model that is its tensors' names, shapes and types, and values
 * from the beginning, the middle and the end of each: it is read as a whole only when it is used. */
pare_status pare_ranks_agree(const pare_model *model, const pare_backend *backend);

#endif
