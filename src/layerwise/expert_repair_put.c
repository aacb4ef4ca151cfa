#include "layerwise/expert_repair_internal.h"

pare_status pare_expert_walk_put(pare_expert_walk *w, size_t id, int64_t rows, int64_t columns, const uint32_t *places,
                                 float *values) {
    pare_repaired *repaired = w->l.repaired;
    size_t count = (size_t)(rows * columns);
    pare_dtype dtype = w->l.model->tensors[id]->dtype;
    void *stored = repaired->matrix[id];
    if (!stored) PARE_TRY(pare_repaired_add(repaired, w->l.model, id, (uint64_t)rows, (uint64_t)columns, &stored));
    pare_from_float(stored, dtype, values, count);
    pare_to_float(values, stored, dtype, count);
    w->replacement[id] =
        (pare_replacement){.matrix = stored, .rows = places, .row_count = rows, .column_count = columns};
    return PARE_OK;
}
