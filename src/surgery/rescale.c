#include "surgery/rescale.h"

#include <math.h>

static double query_factor(const pare_selection *selection, uint32_t layer) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < layer; i++)
        number += !selection->layer[i].dropped;
    return (double)(number + 1) / (double)(layer + 1);
}

pare_rescale pare_rescale_of(const pare_model *model, const pare_selection *selection, size_t id) {
    const pare_architecture *a = &model->config.architecture;
    double s = a->embedding_root ? sqrt((double)model->config.hidden / (double)selection->hidden) : 1.0;
    pare_rescale none = {.factor = 1};
    uint32_t layer;
    pare_role role;
    if (id >= model->tensor_count) return none;
    if (id == pare_tensor_id_embedding()) return (pare_rescale){.factor = s};
    if (id == pare_tensor_id_final_norm(model) && model->config.tied)
        return (pare_rescale){.factor = 1 / s, .offset = a->norm_unit ? 1 / s - 1 : 0};
    if (!a->scale_by_layer || !pare_tensor_id_split(model, id, &layer, &role)) return none;
    if (pare_roles[role].of != PARE_ROLE_Q || selection->layer[layer].dropped) return none;
    return (pare_rescale){.factor = query_factor(selection, layer)};
}

bool pare_rescale_changes(pare_rescale rescale) {
    return rescale.factor < 1 || rescale.factor > 1;
}

bool pare_rescale_is_used(const pare_model *model, const pare_selection *selection) {
    for (size_t id = 0; id < model->tensor_count; id++)
        if (pare_rescale_changes(pare_rescale_of(model, selection, id))) return true;
    return false;
}

void pare_rescale_apply(pare_rescale rescale, pare_dtype dtype, size_t count, void *elements) {
    enum { PIECE = 1024 };
    float values[PIECE];
    size_t size = pare_dtype_size(dtype);
    for (size_t first = 0; first < count; first += PIECE) {
        size_t n = count - first < PIECE ? count - first : PIECE;
        char *at = (char *)elements + first * size;
        pare_to_float(values, at, dtype, n);
        for (size_t i = 0; i < n; i++)
            values[i] = (float)(rescale.factor * (double)values[i] + rescale.offset);
        pare_from_float(at, dtype, values, n);
    }
}
