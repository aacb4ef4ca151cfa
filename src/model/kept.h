/* Blocks that a pass need not run again for their backward: what their forwards left is kept, as far as there is room.
 * A block that runs again computes the same bits, so that keeping changes nothing but time and memory. */
#ifndef PARE_MODEL_KEPT_H
#define PARE_MODEL_KEPT_H

#include "model/block.h"
#include "model/kept_rule.h"

/* What one micro-batch left in one layer; temporaries are the pass's own. */
typedef struct pare_kept_block {
    pare_activations activations;
    pare_adapter_room room;
} pare_kept_block;

typedef struct pare_kept {
    pare_kept_block *list; /* [count]: the last micro-batch of the last layer, the one before, ... */
    int64_t count;
} pare_kept;

/* Of one micro-batch of one layer. */
uint64_t pare_kept_block_bytes(const pare_backend *backend, const pare_config *config, const pare_adapter_shape *shape);

/* On failure *out is empty. Free with pare_kept_free. */
pare_status pare_kept_new(const pare_backend *backend, const pare_config *config, const pare_adapter_shape *shape,
                          const pare_block *shared, int64_t count, pare_kept *out);
void pare_kept_free(pare_kept *kept);

#endif
