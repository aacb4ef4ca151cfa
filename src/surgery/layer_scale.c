#include "surgery/layer_scale.h"

double pare_layer_scale_of(const pare_model *model, const pare_selection *selection, size_t id) {
    uint32_t layer, number = 0;
    pare_role role;
    if (!model->config.architecture.scale_by_layer || id >= model->tensor_count) return 1;
    if (!pare_tensor_id_split(model, id, &layer, &role) || pare_roles[role].of != PARE_ROLE_Q) return 1;
    for (uint32_t i = 0; i < layer; i++)
        number += !selection->layer[i].dropped;
    return (double)(number + 1) / (double)(layer + 1);
}

bool pare_layer_scale_is_used(const pare_model *model, const pare_selection *selection) {
    for (uint32_t layer = 0; layer < selection->layers; layer++) {
        double scale = pare_layer_scale_of(model, selection, pare_tensor_id(layer, PARE_ROLE_Q));
        if (!selection->layer[layer].dropped && scale < 1) return true;
    }
    return false;
}

void pare_layer_scale_apply(double scale, pare_dtype dtype, size_t count, void *elements) {
    enum { PIECE = 1024 };
    float values[PIECE];
    size_t size = pare_dtype_size(dtype);
    for (size_t first = 0; first < count; first += PIECE) {
        size_t n = count - first < PIECE ? count - first : PIECE;
        char *at = (char *)elements + first * size;
        pare_to_float(values, at, dtype, n);
        for (size_t i = 0; i < n; i++)
            values[i] = (float)(scale * (double)values[i]);
        pare_from_float(at, dtype, values, n);
    }
}
