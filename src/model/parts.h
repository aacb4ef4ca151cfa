/* Roles whose tensors the checkpoint does not store by themselves: parts of fused tensors, transposed ones, and norms
 * with weights for every head. */
#ifndef PARE_MODEL_PARTS_H
#define PARE_MODEL_PARTS_H

#include "checkpoint/view.h"
#include "model/config.h"
#include "model/names.h"

typedef struct pare_stored_part {
    pare_tensor tensor;
    pare_view view;
    const pare_tensor *whole;
    const pare_tensor **pieces; /* [piece_count] that were joined, in place of a whole one; owned */
    uint32_t piece_count;
    void *joined; /* what they make */
    size_t id;
    pare_role role;
    char name[PARE_NAME_BYTES]; /* as if it were stored by itself */
} pare_stored_part;

/* The role's tensor as it lies in `whole`, the stored one, whose rows are in the file's order. False if that is the
 * whole of it, as it stands. */
bool pare_part_of(const pare_config *config, uint32_t layer, pare_role role, const pare_tensor *whole,
                  pare_stored_part *out);

/* The weights of all heads as one vector: of one tensor [heads, head size], or joined of one for each head. Free with
 * pare_stored_part_free. */
pare_status pare_head_norms_of(const pare_checkpoint *checkpoint, const pare_config *config, uint32_t layer,
                               pare_role role, pare_stored_part *out);
void pare_stored_part_free(pare_stored_part *part);

#endif
