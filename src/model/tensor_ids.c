/* Ids of tensors, which say what a tensor is of: counted through, so that they are what noise is drawn by. */
#include "model/model.h"

size_t pare_tensor_id_embedding(void) {
    return 0;
}

size_t pare_tensor_id(uint32_t layer, pare_role role) {
    return 1 + (size_t)layer * PARE_LAYER_ROLES + (size_t)role;
}

size_t pare_tensor_id_final_norm(const pare_model *model) {
    return pare_tensor_id(model->config.layers, PARE_ROLE_Q);
}

size_t pare_tensor_id_head(const pare_model *model) {
    return model->config.tied ? pare_tensor_id_embedding() : pare_tensor_id_final_norm(model) + 1;
}

/* The first id behind those of a LLaMA, whether its head is tied or not. */
static size_t first_extra(const pare_config *config) {
    return pare_tensor_id(config->layers, PARE_ROLE_Q) + 2;
}

static size_t first_extra_end(const pare_config *config) {
    return first_extra(config) + (size_t)config->layers * PARE_EXTRA_ROLES;
}

static size_t first_late(const pare_config *config) {
    return first_extra_end(config) + (PARE_ENDS - PARE_END_POSITIONS);
}

static bool has_late(const pare_config *config) {
    return pare_has_role(&config->architecture, PARE_ROLE_Q_NORM_BIAS);
}

static bool has_sinks(const pare_config *config) {
    return pare_has_role(&config->architecture, PARE_ROLE_SINKS);
}

static size_t first_sink(const pare_config *config) {
    return first_late(config) + (has_late(config) ? (size_t)config->layers * PARE_LATE_ROLES : 0);
}

size_t pare_tensor_id_in(const pare_config *config, uint32_t layer, pare_role role) {
    if (role < PARE_LAYER_ROLES) return pare_tensor_id(layer, role);
    if (role == PARE_ROLE_SINKS) return has_sinks(config) ? first_sink(config) + layer : SIZE_MAX;
    if (role >= PARE_ROLE_Q_NORM_BIAS && !has_late(config)) return SIZE_MAX; /* experts' ids stand there */
    if (role >= PARE_ROLE_Q_NORM_BIAS)
        return first_late(config) + (size_t)layer * PARE_LATE_ROLES + (size_t)(role - PARE_ROLE_Q_NORM_BIAS);
    return first_extra(config) + (size_t)layer * PARE_EXTRA_ROLES + (size_t)(role - PARE_LAYER_ROLES);
}

size_t pare_tensor_id_first_expert(const pare_config *config) {
    return first_sink(config) + (has_sinks(config) ? config->layers : 0);
}

size_t pare_tensor_id_end(const pare_model *model, pare_end end) {
    if (end == PARE_END_EMBEDDING) return pare_tensor_id_embedding();
    if (end == PARE_END_FINAL_NORM) return pare_tensor_id_final_norm(model);
    if (end == PARE_END_HEAD) return pare_tensor_id_head(model);
    if (!pare_has_end(&model->config.architecture, end)) return model->tensor_count;
    return first_extra_end(&model->config) + (size_t)(end - PARE_END_POSITIONS);
}

bool pare_tensor_id_split(const pare_model *model, size_t id, uint32_t *layer, pare_role *role) {
    if (id == pare_tensor_id_embedding()) return false;
    if (id < pare_tensor_id_final_norm(model)) {
        *layer = (uint32_t)((id - 1) / PARE_LAYER_ROLES);
        *role = (pare_role)((id - 1) % PARE_LAYER_ROLES);
        return true;
    }
    if (has_sinks(&model->config) && id >= first_sink(&model->config)) {
        *layer = (uint32_t)(id - first_sink(&model->config));
        *role = PARE_ROLE_SINKS;
        return *layer < model->config.layers;
    }
    if (has_late(&model->config) && id >= first_late(&model->config)) {
        size_t place = id - first_late(&model->config);
        *layer = (uint32_t)(place / PARE_LATE_ROLES);
        *role = (pare_role)(PARE_ROLE_Q_NORM_BIAS + place % PARE_LATE_ROLES);
        return *layer < model->config.layers;
    }
    if (id < first_extra(&model->config) || id >= first_extra_end(&model->config)) return false;
    *layer = (uint32_t)((id - first_extra(&model->config)) / PARE_EXTRA_ROLES);
    *role = (pare_role)(PARE_LAYER_ROLES + (id - first_extra(&model->config)) % PARE_EXTRA_ROLES);
    return true;
}
