#include "recover/zeros.h"
#include "model/parts.h"

#include <math.h>

static bool is_part(const pare_model *model, size_t id) {
    for (size_t i = 0; i < model->part_count; i++)
        if (model->parts[i].id == id) return true;
    return false;
}

static uint64_t count_zeros(const pare_tensor *tensor) {
    enum { PIECE = 1024 };
    float values[PIECE];
    uint64_t zeros = 0;
    for (uint64_t first = 0; first < tensor->count; first += PIECE) {
        size_t n = tensor->count - first < PIECE ? (size_t)(tensor->count - first) : PIECE;
        pare_tensor_values(tensor, first, n, values);
        for (size_t i = 0; i < n; i++)
            zeros += !(fabsf(values[i]) > 0.0f);
    }
    return zeros;
}

/* The scan counts those of stored tensors. */
static uint64_t zeros_of(const pare_model *model, const pare_scan *scan, size_t id) {
    const pare_tensor *tensor = model->tensors[id];
    return is_part(model, id) ? count_zeros(tensor) : scan->zeros[tensor - pare_checkpoint_at(model->checkpoint, 0)];
}

double pare_zeros_share(const pare_trained *trained, const pare_scan *scan) {
    static const double pruned_from = 0.01;
    const pare_model *model = trained->model;
    uint64_t zeros = 0, elements = 0;
    bool pruned = false;
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        const pare_tensor *tensor = model->tensors[id];
        if (!pare_tensor_id_split(model, id, &layer, &role) || !pare_role_is_matrix(role)) continue;
        if (!tensor->count || !trained->changes(trained, id)) continue;
        uint64_t here = zeros_of(model, scan, id);
        zeros += here;
        elements += tensor->count;
        pruned = pruned || (double)here >= pruned_from * (double)tensor->count;
    }
    return pruned ? (double)zeros / (double)elements : 0.0;
}
