#include "calibrate/gram.h"
#include "support/cholesky.h"
#include "support/order.h"

/* Rows of a product: of a wide matrix, little more than its lower triangle is multiplied. */
enum { BLOCK = 512 };

pare_status pare_gram_add_lower(const pare_backend *backend, const pare_inputs *inputs, bool first, float *sum) {
    int64_t width = inputs->width, step = inputs->by_feature ? inputs->tokens : 1;
    for (int64_t row = 0; row < width; row += BLOCK) {
        int64_t count = pare_smaller(width - row, BLOCK);
        const char *rows = (const char *)inputs->x + (size_t)(row * step) * pare_operand_size(backend);
        pare_matmul shape = {.batch = 1,
                             .m = count,
                             .n = row + count,
                             .k = inputs->tokens,
                             .transpose_a = !inputs->by_feature,
                             .transpose_b = inputs->by_feature,
                             .accumulate = !first,
                             .lda = inputs->by_feature ? 0 : width,
                             .ldb = inputs->by_feature ? 0 : width,
                             .ldc = width};
        PARE_TRY(backend->operations->matmul(backend, &shape, rows, inputs->x, sum + row * width));
    }
    return PARE_OK;
}

void pare_gram_mirror(float *sum, int64_t width) {
    if (width > BLOCK) pare_mirror_float(sum, width, width);
}

pare_status pare_gram_add(const pare_backend *backend, const pare_inputs *inputs, bool first, float *sum) {
    PARE_TRY(pare_gram_add_lower(backend, inputs, first, sum));
    pare_gram_mirror(sum, inputs->width);
    return PARE_OK;
}

double pare_gram_operations(double tokens, double width) {
    return tokens * width * (width + (width < BLOCK ? width : BLOCK));
}

pare_status pare_cross_add(const pare_backend *backend, const pare_inputs *inputs, const void *r, int64_t rows,
                           bool first, float *sum) {
    pare_matmul shape = {.batch = 1,
                         .m = rows,
                         .n = inputs->width,
                         .k = inputs->tokens,
                         .transpose_a = true,
                         .transpose_b = inputs->by_feature,
                         .accumulate = !first};
    return backend->operations->matmul(backend, &shape, r, inputs->x, sum);
}
