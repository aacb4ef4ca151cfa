/* Roles whose tensors the checkpoint does not store by themselves: parts of fused tensors, and transposed ones. */
#ifndef PARE_MODEL_PARTS_H
#define PARE_MODEL_PARTS_H

#include "checkpoint/view.h"
#include "model/config.h"
#include "model/names.h"

typedef struct pare_stored_part {
    pare_tensor tensor;
    pare_view view;
    const pare_tensor *whole;
    size_t id;
    pare_role role;
    char name[PARE_NAME_BYTES]; /* as if it were stored by itself */
} pare_stored_part;

/* The role's tensor as it lies in `whole`, the stored one. False if that is the whole of it, as it stands. */
bool pare_part_of(const pare_config *config, uint32_t layer, pare_role role, const pare_tensor *whole,
                  pare_stored_part *out);

#endif
