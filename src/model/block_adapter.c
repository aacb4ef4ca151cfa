#include "model/block_adapter.h"

const pare_adapter *pare_block_adapter(const pare_block *block, pare_role role) {
    return block->adapters ? &block->adapters->list[pare_tensor_id(block->layer, role)] : NULL;
}

/* A block that runs again for its backward stops before Down. */
static pare_beside of_role(const pare_block *block, pare_role role) {
    pare_beside beside =
        pare_block_beside(block, pare_tensor_id(block->layer, role), pare_linear_of(block, role), true);
    if (!block->adapters) return beside;
    beside.low = block->adapter_room->low[role];
    beside.dlow = block->adapter_room->dlow[role];
    beside.remade = role == PARE_ROLE_DOWN;
    return beside;
}

pare_status pare_block_adapter_forward(const pare_block *block, pare_role role, const void *x, float *y) {
    const pare_beside beside = of_role(block, role);
    return pare_beside_forward(block, &beside, x, y);
}

pare_status pare_block_adapter_gradient(const pare_block *block, pare_role role, const void *dy, const void *x) {
    const pare_beside beside = of_role(block, role);
    return pare_beside_gradient(block, &beside, dy, x);
}

pare_status pare_block_adapter_input_gradient(const pare_block *block, pare_role role, float *dx) {
    const pare_beside beside = of_role(block, role);
    return pare_beside_input_gradient(block, &beside, dx);
}
