#include "layerwise/weight_levels.h"
#include "repair/repaired.h"
#include "support/memory.h"

pare_status pare_weight_levels_new(const pare_model *model, const bool *pruned, double reach, pare_weight_levels *out) {
    enum { SIDE = PARE_SHARE_LEVELS / 2 };
    *out = (pare_weight_levels){.model = model, .pruned = pruned};
    for (int i = -SIDE; i <= SIDE; i++)
        if (!i || reach > 0.0) out->offset[out->count++] = reach * i / SIDE;
    return pare_alloc(&out->matrix, model->tensor_count, sizeof *out->matrix, "levels of shares");
}

double pare_weight_level_share(const pare_weight_levels *levels, uint32_t index, double share) {
    static const double most = 0.99;
    double there = share + levels->offset[index];
    if (share >= most) return share;
    return there < 0.0 ? 0.0 : there > most ? most : there;
}

void pare_weight_levels_free(pare_weight_levels *levels) {
    pare_free(levels->matrix);
    pare_scratch_close(&levels->memory);
    *levels = (pare_weight_levels){0};
}

static uint64_t matrix_bytes(const pare_weight_levels *levels, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(levels->model->tensors[id], &rows, &columns);
    return pare_repaired_bytes(levels->model, id, (uint64_t)rows, (uint64_t)columns);
}

uint64_t pare_weight_levels_bytes(const pare_weight_levels *levels) {
    uint64_t bytes = 0;
    for (size_t id = 0; id < levels->model->tensor_count; id++)
        if (levels->pruned[id]) bytes += levels->count * matrix_bytes(levels, id);
    return bytes;
}

pare_status pare_weight_levels_open(pare_weight_levels *levels, const char *scratch) {
    PARE_TRY(pare_scratch_open(&levels->memory, pare_weight_levels_bytes(levels), scratch,
                               "the matrices of searched shares"));
    char *next = levels->memory.data;
    for (size_t id = 0; id < levels->model->tensor_count; id++)
        for (uint32_t i = 0; i < levels->count && levels->pruned[id]; i++) {
            levels->matrix[id][i] = next;
            next += matrix_bytes(levels, id);
        }
    return PARE_OK;
}

void pare_weight_levels_keep(pare_weight_levels *levels, size_t id, uint32_t index, const float *values) {
    const pare_tensor *tensor = levels->model->tensors[id];
    pare_from_float(levels->matrix[id][index], tensor->dtype, values, (size_t)tensor->count);
}
