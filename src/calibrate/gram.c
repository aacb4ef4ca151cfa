#include "calibrate/gram.h"

#include <math.h>

pare_status pare_gram_add(const pare_backend *backend, const pare_inputs *inputs, bool first, float *sum) {
    return pare_cross_add(backend, inputs, NULL, inputs->width, first, sum);
}

/* r NULL: x itself. */
pare_status pare_cross_add(const pare_backend *backend, const pare_inputs *inputs, const void *r, int64_t rows,
                           bool first, float *sum) {
    pare_matmul shape = {.batch = 1,
                         .m = rows,
                         .n = inputs->width,
                         .k = inputs->tokens,
                         .transpose_a = r || !inputs->by_feature,
                         .transpose_b = inputs->by_feature,
                         .accumulate = !first};
    return backend->operations->matmul(backend, &shape, r ? r : inputs->x, inputs->x, sum);
}

void pare_inputs_scale(const pare_backend *backend, const pare_inputs *inputs, const float *weight, float *row,
                       void *out) {
    const pare_backend_operations *ops = backend->operations;
    int64_t rows = inputs->by_feature ? inputs->width : inputs->tokens;
    int64_t length = inputs->by_feature ? inputs->tokens : inputs->width;
    int64_t chunk = PARE_SCALE_CHUNK > length ? PARE_SCALE_CHUNK / length : 1;
    for (int64_t first = 0; first < rows; first += chunk) {
        int64_t count = rows - first < chunk ? rows - first : chunk;
        ops->from_operand(backend, pare_operand_at(backend, inputs->x, first * length), count * length, row);
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < length; j++)
                row[i * length + j] *= sqrtf(weight[inputs->by_feature ? j : first + i]);
        ops->to_operand(backend, row, count * length, pare_operand_at(backend, out, first * length));
    }
}
