#include "model/block.h"

pare_block pare_block_of(const pare_source *source, uint32_t layer, const pare_block_room *room) {
    const pare_config *config = &source->model->config;
    pare_block block = {.backend = source->backend,
                        .batch = room->batch,
                        .length = room->length,
                        .hidden = config->hidden,
                        .head = config->head_size,
                        .eps = pare_source_eps(source),
                        .rotation = room->rotation,
                        .layer = layer,
                        .widths = config->widths[layer],
                        .activations = room->activations,
                        .attention_batch = room->attention_batch};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        block.weights.matrix[role] =
            pare_source_operand(source, pare_tensor_id(layer, (pare_role)role), room->matrices[role]);
    for (int i = 0; i < PARE_LAYER_ROLES - PARE_MATRIX_ROLES; i++) {
        pare_source_rows(source, pare_tensor_id(layer, (pare_role)(PARE_MATRIX_ROLES + i)), 0, 1, room->norms[i]);
        block.weights.norm[i] = room->norms[i];
    }
    return block;
}
