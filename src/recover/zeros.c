#include "recover/zeros.h"

double pare_zeros_share(const pare_trained *trained, const pare_scan *scan) {
    static const double pruned_from = 0.01;
    const pare_model *model = trained->model;
    const pare_tensor *first = pare_checkpoint_at(model->checkpoint, 0);
    uint64_t zeros = 0, elements = 0;
    bool pruned = false;
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        const pare_tensor *tensor = model->tensors[id];
        if (!pare_tensor_id_split(model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) continue;
        if (!tensor->count || !trained->changes(trained, id)) continue;
        uint64_t here = scan->zeros[tensor - first];
        zeros += here;
        elements += tensor->count;
        pruned = pruned || (double)here >= pruned_from * (double)tensor->count;
    }
    return pruned ? (double)zeros / (double)elements : 0.0;
}
