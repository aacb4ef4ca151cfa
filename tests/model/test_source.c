/* A replacement that lands in the wrong rows or columns, rows that are off but still there, and a mapped tensor that is
 * taken as it is although something lies over it; channels that are off but still in a norm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/block.h"
#include "model/ends.h"
#include "model/source.h"
#include "tiny_model.h"

/* More columns than are scattered at a time. */
enum { HIDDEN = 10, FFN = 601, LISTED = 3 };

typedef struct fixture {
    char *folder;
    pare_model *model;
    size_t id;           /* of a down projection [HIDDEN, FFN] */
    pare_tensor aligned; /* that tensor, where a pass could use it as it is */
    void *data;
} fixture;

static void fixture_open(fixture *out, pare_dtype dtype) {
    fixture f = {.id = pare_tensor_id(0, PARE_ROLE_DOWN)};
    f.folder = tiny_model_write(
        (tiny_model){.layers = 1, .hidden = HIDDEN, .heads = 1, .head_size = 4, .ffn = FFN, .dtype = dtype});
    assert_int_equal(pare_model_open(f.folder, &f.model), PARE_OK);
    f.aligned = *f.model->tensors[f.id];
    f.data = aligned_alloc(64, (f.aligned.bytes + 63) / 64 * 64);
    memcpy(f.data, f.aligned.data, f.aligned.bytes);
    f.aligned.data = f.data;
    *out = f;
    out->model->tensors[f.id] = &out->aligned;
}

static void fixture_close(fixture *f) {
    pare_model_close(f->model);
    free(f->data);
    tiny_remove(f->folder);
    free(f->folder);
}

static double value_of(const pare_tensor *tensor, int64_t at) {
    float value;
    pare_to_float(&value, (const char *)tensor->data + (size_t)at * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
    return (double)value;
}

/* Rows [2, 8) as operand and as float; both must be `expected` [HIDDEN, FFN] there. */
static void compare(const pare_source *source, size_t id, const double *expected) {
    enum { FIRST = 2, ROWS = 6 };
    float *out = malloc(ROWS * FFN * sizeof *out), *operand = malloc(ROWS * FFN * sizeof *operand);
    float *buffer = malloc(ROWS * FFN * sizeof *buffer);
    pare_source_rows(source, id, FIRST, ROWS, out);
    const void *used = pare_source_operand_rows(source, id, FIRST, ROWS, buffer);
    assert_ptr_equal(used, buffer);
    pare_to_float(operand, used, source->backend->operand, ROWS * FFN);
    for (int i = 0; i < ROWS * FFN; i++) {
        double wanted = expected[FIRST * FFN + i];
        if (fabs((double)out[i] - wanted) > 1e-7 * fabs(wanted)) fail_msg("float %d: %g, not %g", i, out[i], wanted);
        if (fabs((double)operand[i] - wanted) > fabs(wanted) / 256)
            fail_msg("operand %d: %g, not %g", i, operand[i], wanted);
    }
    free(out);
    free(operand);
    free(buffer);
}

static const uint32_t some_rows[LISTED] = {2, 3, 7};

/* Columns 0, 255, 256 and the last, among every third. */
static uint32_t list_columns(uint32_t *list) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < FFN; i++)
        if (i % 3 == 0 || i == 256 || i == FFN - 1) list[count++] = i;
    return count;
}

static void check_replacement(const fixture *f, const pare_backend *backend, bool rows, bool columns, bool scaled) {
    const pare_tensor *tensor = f->model->tensors[f->id];
    uint32_t list[FFN], count = list_columns(list);
    pare_replacement *replacement = calloc(f->model->tensor_count, sizeof *replacement);
    float **scales = calloc(f->model->tensor_count, sizeof *scales), scale[FFN];
    /* The values are those of the tensor's own beginning. */
    replacement[f->id] = (pare_replacement){.matrix = tensor->data,
                                            .rows = rows ? some_rows : NULL,
                                            .columns = columns ? list : NULL,
                                            .row_count = rows ? LISTED : HIDDEN,
                                            .column_count = columns ? count : FFN};
    scales[f->id] = scaled ? scale : NULL;
    double *expected = calloc(HIDDEN * FFN, sizeof *expected);
    for (int i = 0; i < FFN; i++)
        scale[i] = (float)(i % 4);
    for (int64_t i = 0; i < replacement[f->id].row_count; i++)
        for (int64_t j = 0; j < replacement[f->id].column_count; j++) {
            int64_t row = rows ? some_rows[i] : i, column = columns ? list[j] : j;
            double value = value_of(tensor, i * replacement[f->id].column_count + j);
            expected[row * FFN + column] = scaled ? value * (double)scale[column] : value;
        }
    pare_source source = {.model = f->model,
                          .backend = backend,
                          .replacement = replacement,
                          .column_scale = scaled ? scales : NULL,
                          .sigma = 0.5f};
    assert_false(pare_source_is_mapped(&source, f->id));
    compare(&source, f->id, expected);
    free(expected);
    free(scales);
    free(replacement);
}

static void replacements_land_where_they_belong(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype++)
        for (int compute = 0; compute < 2; compute++) {
            pare_backend *backend;
            fixture f;
            fixture_open(&f, (pare_dtype)dtype);
            assert_int_equal(pare_backend_open_cpu(compute ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, 1, &backend),
                             PARE_OK);
            for (int kind = 0; kind < 8; kind++)
                check_replacement(&f, backend, kind & 1, kind & 2, kind & 4);
            pare_backend_close(backend);
            fixture_close(&f);
        }
}

static void rows_that_are_off_are_zero(void **state) {
    (void)state;
    pare_backend *backend;
    fixture f;
    fixture_open(&f, PARE_DTYPE_F32);
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    const pare_tensor *tensor = f.model->tensors[f.id];
    float **scales = calloc(f.model->tensor_count, sizeof *scales), scale[HIDDEN];
    double *expected = calloc(HIDDEN * FFN, sizeof *expected);
    for (int row = 0; row < HIDDEN; row++) {
        scale[row] = row % 3 ? 1.0f : 0.0f;
        for (int column = 0; column < FFN && row % 3; column++)
            expected[row * FFN + column] = value_of(tensor, row * FFN + column);
    }
    scales[f.id] = scale;
    pare_source source = {.model = f.model, .backend = backend, .row_scale = scales};
    assert_false(pare_source_is_mapped(&source, f.id));
    assert_true(pare_source_is_mapped(&(pare_source){.model = f.model, .backend = backend}, f.id));
    compare(&source, f.id, expected);
    free(expected);
    free(scales);
    pare_backend_close(backend);
    fixture_close(&f);
}

/* Final norm and the norms of a block run over the channels that are on; norms of heads have none that are off. */
static void norms_leave_out_channels_that_are_off(void **state) {
    (void)state;
    fixture f;
    pare_backend *backend;
    fixture_open(&f, PARE_DTYPE_F32);
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    float *kept = calloc(f.model->config.hidden, sizeof *kept),
          *room = calloc(2 * f.model->config.hidden, sizeof *room);
    const pare_source source = {.model = f.model, .backend = backend, .hidden_kept = kept, .hidden_count = 5};
    const pare_norm norm = pare_end_norm(&source, PARE_END_FINAL_NORM, PARE_END_FINAL_NORM_BIAS, room);
    assert_ptr_equal(norm.kept, kept);
    assert_int_equal(norm.kept_count, 5);
    assert_true(norm.eps == f.model->config.rms_eps);
    const pare_block block = {.config = &f.model->config, .hidden_kept = kept, .hidden_count = 5};
    assert_ptr_equal(pare_block_norm(&block, PARE_ROLE_POST_NORM).kept, kept);
    assert_int_equal(pare_block_norm(&block, PARE_ROLE_POST_NORM).kept_count, 5);
    assert_null(pare_block_norm(&block, PARE_ROLE_Q_NORM).kept);
    free(kept);
    free(room);
    pare_backend_close(backend);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacements_land_where_they_belong),
        cmocka_unit_test(rows_that_are_off_are_zero),
        cmocka_unit_test(norms_leave_out_channels_that_are_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
