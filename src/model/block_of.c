#include "model/block.h"

/* That of the latents' norms is their class's own default, whatever config.json says of all others. */
static const double LATENT_EPS = 1e-6;

/* Norms that multiply by 1 + w. */
static bool is_unit(const pare_architecture *a, pare_role role) {
    return a->norm_unit && !pare_role_is_bias(role);
}

void pare_block_vectors(const pare_source *source, uint32_t layer, float *room, const float *vector[PARE_ALL_ROLES]) {
    const pare_model *model = source->model;
    const pare_architecture *a = &model->config.architecture;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        vector[role] = NULL;
        if (pare_role_is_matrix(role) || !pare_has_role(a, role)) continue;
        size_t id = pare_tensor_id_in(&model->config, layer, role);
        int64_t rows, columns;
        if (pare_tensor_is_absent(model->tensors[id])) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        pare_source_rows(source, id, 0, 1, room);
        for (int64_t i = 0; is_unit(a, role) && i < columns; i++)
            room[i] += 1.0f;
        vector[role] = room;
        room += columns;
    }
}

void pare_block_place(pare_block *block, const pare_position_tables *tables, int64_t first, int64_t reach) {
    int rotation = block->config->plan[block->layer].rotation;
    block->slopes = tables->slopes;
    block->rotation = NULL;
    bool scaled = tables->query_scale && !(block->config->architecture.query_unturned && rotation >= 0);
    block->query_scale = scaled ? tables->query_scale + first : NULL;
    if (rotation < 0) return;
    const pare_rope_config *rope = &block->config->rope[rotation];
    const float *table = pare_rope_is_beyond(rope, reach) ? tables->beyond[rotation] : tables->rotation[rotation];
    block->rotation = table + first * (int64_t)rope->rotated;
}

/* Rows of queries are heads, token by token. */
static int64_t head_norm_repeat(const pare_block *block, pare_role role) {
    if (!pare_role_is_owned_by_heads(block->config, role)) return 1;
    return role == PARE_ROLE_Q_NORM ? block->widths.heads : block->widths.kv_heads;
}

pare_norm pare_block_norm(const pare_block *block, pare_role role) {
    pare_role bias = pare_roles[role].bias;
    bool whole = pare_roles[role].columns == PARE_SPAN_HIDDEN;
    bool latent = block->config->latent.keys && (role == PARE_ROLE_Q_NORM || role == PARE_ROLE_K_NORM);
    return (pare_norm){.kind = block->config->architecture.norm,
                       .kept = whole ? block->hidden_kept : NULL,
                       .kept_count = block->hidden_count,
                       .weight = block->weights.vector[role],
                       .bias = bias < PARE_ALL_ROLES ? block->weights.vector[bias] : NULL,
                       .eps = latent ? LATENT_EPS : block->eps,
                       .repeat = head_norm_repeat(block, role)};
}

pare_block pare_block_of(const pare_source *source, uint32_t layer, const pare_block_room *room) {
    const pare_config *config = &source->model->config;
    pare_block block = {.backend = source->backend,
                        .batch = room->batch,
                        .length = room->length,
                        .hidden = config->hidden,
                        .head = config->head_size,
                        .eps = config->rms_eps,
                        .hidden_kept = source->hidden_kept,
                        .hidden_count = source->hidden_count,
                        .config = config,
                        .source = source,
                        .layer = layer,
                        .widths = config->widths[layer],
                        .activations = room->activations,
                        .attention_batch = room->attention_batch};
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        if (pare_has_role(&config->architecture, role))
            block.weights.matrix[role] = pare_source_operand(source, pare_tensor_id(layer, role), room->matrices[role]);
    pare_block_vectors(source, layer, room->vectors, block.weights.vector);
    pare_block_place(&block, room->positions, 0, room->reach);
    return block;
}
