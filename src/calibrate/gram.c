#include "calibrate/gram.h"

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
