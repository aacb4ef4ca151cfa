#include "importance/projection_scores.h"
#include "support/memory.h"

static uint32_t channels_of(const pare_index_scores *indices, uint32_t layer, pare_role role) {
    const pare_config *c = &indices->model->config;
    if (indices->axis == PARE_AXIS_HIDDEN) return c->hidden;
    pare_span span = pare_role_writes(role) ? pare_roles[role].columns : pare_roles[role].rows;
    return (uint32_t)pare_config_span(c, &c->widths[layer], span);
}

static pare_status copy(const pare_index_scores *indices, size_t id, uint32_t count, double **out) {
    PARE_TRY(pare_alloc(out, count, sizeof **out, "scores of projections"));
    for (uint32_t i = 0; i < count; i++)
        (*out)[i] = pare_index_at(indices, id, i);
    return PARE_OK;
}

pare_status pare_projection_scores_of(const pare_index_scores *indices, const bool *scored,
                                      pare_projection_scores *out) {
    size_t all = (size_t)indices->model->config.layers * PARE_MATRIX_ROLES;
    *out = (pare_projection_scores){.layers = indices->model->config.layers};
    PARE_TRY(pare_alloc(&out->channels, all, sizeof *out->channels, "scores of projections"));
    PARE_TRY(pare_alloc(&out->count, all, sizeof *out->count, "scores of projections"));
    for (size_t i = 0; i < all; i++) {
        uint32_t layer = (uint32_t)(i / PARE_MATRIX_ROLES);
        pare_role role = (pare_role)(i % PARE_MATRIX_ROLES);
        size_t id = pare_tensor_id(layer, role);
        if (!scored[id] || !indices->by_tensor[id]) continue;
        out->count[i] = channels_of(indices, layer, role);
        PARE_TRY(copy(indices, id, out->count[i], &out->channels[i]));
    }
    return PARE_OK;
}

void pare_projection_scores_free(pare_projection_scores *scores) {
    size_t all = (size_t)scores->layers * PARE_MATRIX_ROLES;
    for (size_t i = 0; scores->channels && i < all; i++)
        pare_free(scores->channels[i]);
    pare_free(scores->channels);
    pare_free(scores->count);
    *scores = (pare_projection_scores){0};
}
