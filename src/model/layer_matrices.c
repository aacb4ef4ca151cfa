#include "model/layer_matrices.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"

static size_t experts_of(const pare_config *config) {
    return pare_has_experts(config) ? (size_t)config->experts.count * PARE_EXPERT_PARTS : 0;
}

size_t pare_layer_matrices(const pare_config *config) {
    return PARE_MATRIX_ROLES + experts_of(config) + (config->latent.queries ? 1 : 0);
}

size_t pare_layer_matrix(const pare_config *config, uint32_t layer, size_t i) {
    if (i < PARE_MATRIX_ROLES) return pare_tensor_id(layer, (pare_role)i);
    i -= PARE_MATRIX_ROLES;
    return i < experts_of(config) ? pare_tensor_id_expert(config, layer, 0, PARE_EXPERT_GATE) + i
                                  : pare_tensor_id_query_down(config, layer);
}

bool pare_matrix_goes_by(const pare_model *model, size_t id, pare_role *role) {
    static const pare_role parts[PARE_EXPERT_PARTS] = {PARE_ROLE_GATE, PARE_ROLE_UP, PARE_ROLE_DOWN};
    uint32_t layer;
    pare_expert_place place;
    if (pare_tensor_id_split_latent(model, id, &layer)) {
        *role = PARE_ROLE_Q;
        return true;
    }
    if (pare_tensor_id_split_expert(model, id, &place)) {
        *role = parts[place.part];
        return place.what == PARE_EXPERT_OWN;
    }
    return pare_tensor_id_split(model, id, &layer, role) && pare_role_is_matrix(*role);
}
