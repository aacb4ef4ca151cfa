#include "calibrate/input_moments.h"
#include "calibrate/input_moments_internal.h"
#include "support/memory.h"

enum { PIECE = 512 }; /* tokens whose outputs exist at a time */

static int64_t piece_of(int64_t tokens) {
    return tokens < PIECE ? tokens : PIECE;
}

uint64_t pare_output_norms_bytes(int64_t tokens, int64_t rows) {
    return (uint64_t)piece_of(tokens) * (uint64_t)rows * sizeof(float);
}

/* Outputs of tokens [first, first + count), by feature: y = W x [rows, count]. */
static pare_status piece_add(const pare_backend *backend, const pare_inputs *inputs, const void *weight, int64_t rows,
                             int64_t first, int64_t count, float *y, double *squares) {
    pare_matmul shape = {.batch = 1,
                         .m = rows,
                         .n = count,
                         .k = inputs->width,
                         .transpose_b = !inputs->by_feature,
                         .ldb = inputs->by_feature ? inputs->tokens : inputs->width};
    const void *x = pare_operand_at(backend, inputs->x, inputs->by_feature ? first : first * inputs->width);
    PARE_TRY(backend->operations->matmul(backend, &shape, weight, x, y));
    pare_moment_values values = {
        .x = y, .dtype = PARE_DTYPE_F32, .by_feature = true, .tokens = count, .width = rows, .length = count};
    pare_moments_add(&values, &(pare_moment_sums){.squares = squares});
    return PARE_OK;
}

pare_status pare_output_norms_add(const pare_backend *backend, const pare_inputs *inputs, const void *weight,
                                  int64_t rows, double *squares) {
    float *y;
    int64_t piece = piece_of(inputs->tokens);
    PARE_TRY(pare_alloc_uninitialized(&y, (size_t)piece * (size_t)rows, sizeof *y, "layer outputs"));
    pare_status status = PARE_OK;
    for (int64_t first = 0; first < inputs->tokens && status == PARE_OK; first += piece) {
        int64_t count = inputs->tokens - first < piece ? inputs->tokens - first : piece;
        status = piece_add(backend, inputs, weight, rows, first, count, y, squares);
    }
    pare_free(y);
    return status;
}
