#include "model/walk.h"
#include "model/ends.h"
#include "support/memory.h"

/* Elements of the widest matrix of a role that must be composed; 0: none must. */
static uint64_t composed_elements(const pare_source *source, pare_role role) {
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < source->model->config.layers; layer++) {
        size_t id = pare_tensor_id(layer, role);
        uint64_t count = source->model->tensors[id]->count;
        if (!pare_source_is_mapped(source, id) && count > most) most = count;
    }
    return most;
}

uint64_t pare_walk_bytes(const pare_source *source, int64_t length, int64_t micro_batch) {
    const pare_config *config = &source->model->config;
    uint64_t total = pare_position_tables_bytes(config, length) + pare_config_vector_elements(config) * sizeof(float);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        total += composed_elements(source, (pare_role)role) * pare_operand_size(source->backend);
    total += pare_activations_bytes(source->backend, config, length * micro_batch, false);
    return total + pare_attention_workspace_bytes(source->backend, config, micro_batch, length, false);
}

pare_status pare_walk_new(const pare_source *source, int64_t length, int64_t micro_batch, pare_walk *out) {
    const pare_config *config = &source->model->config;
    size_t operand = pare_operand_size(source->backend);
    *out = (pare_walk){.source = source, .length = length, .micro_batch = micro_batch};
    pare_status status = pare_position_tables_new(config, length, &out->positions);
    if (status == PARE_OK)
        status = pare_alloc_uninitialized(&out->vectors, pare_config_vector_elements(config), sizeof(float), "norms");
    for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++) {
        uint64_t elements = composed_elements(source, (pare_role)role);
        if (elements) status = pare_alloc_uninitialized(&out->matrices[role], elements, operand, "block weights");
    }
    if (status == PARE_OK)
        status = pare_activations_new(source->backend, config, length * micro_batch, false, &out->activations);
    if (status != PARE_OK) pare_walk_free(out);
    return status;
}

void pare_walk_free(pare_walk *walk) {
    pare_position_tables_free(&walk->positions);
    pare_free(walk->vectors);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(walk->matrices[role]);
    pare_activations_free(&walk->activations);
    *walk = (pare_walk){0};
}

pare_status pare_walk_embed(const pare_walk *walk, const uint32_t *ids, int64_t tokens, float *x) {
    const pare_embedded embedded = {.ids = ids, .count = tokens, .length = walk->length, .stride = walk->length};
    return pare_embed(walk->source, &embedded, x);
}

pare_block pare_walk_block(pare_walk *walk, uint32_t layer) {
    pare_block_room room = {.matrices = walk->matrices,
                            .vectors = walk->vectors,
                            .positions = &walk->positions,
                            .activations = &walk->activations,
                            .batch = walk->micro_batch,
                            .length = walk->length,
                            .reach = walk->length};
    return pare_block_of(walk->source, layer, &room);
}
