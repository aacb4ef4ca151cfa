/* Fisher matrices of the outputs of linear layers, made of gradients that weight gradients alone give. One sequence's
 * dW = sum over its tokens of g x^T is solved for the g of each token, since there are fewer tokens than inputs, and
 * the ids of a sequence differ, so that its x are independent. The last token predicts nothing: its g is 0. */
#ifndef PARE_TESTS_FISHER_REFERENCE_H
#define PARE_TESTS_FISHER_REFERENCE_H

#include "model/tiny_pass.h"

enum { LAYERS = 2, LENGTH = 5, KNOWN = LENGTH - 1, MOST = 48, TOO_WIDE = 20 };

typedef struct inputs {
    double *x[LAYERS][PARE_INPUT_KINDS]; /* [LENGTH, columns] */
} inputs;

static inline pare_status keep_input(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                                     int64_t width, bool by_feature) {
    inputs *to = context;
    assert_false(by_feature);
    if (!to->x[layer][kind]) to->x[layer][kind] = calloc((size_t)(tokens * width), sizeof(double));
    for (int64_t i = 0; i < tokens * width; i++)
        to->x[layer][kind][i] = (double)((const float *)x)[i];
    return PARE_OK;
}

static inline bool wants_input(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

static inline inputs inputs_of(const tiny_pass *t, const pare_source *source) {
    inputs out = {0};
    pare_pass_shape shape = {.sequences = 1, .length = LENGTH};
    pare_observer observer = {.wants = wants_input, .see = keep_input, .context = &out};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_pass_observe(pass, &observer);
    assert_int_equal(pare_pass_forward(pass, source, t->ids, 1), PARE_OK);
    pare_pass_free(pass);
    return out;
}

/* a: [KNOWN, KNOWN + rows] -> its right part is what its left part must be multiplied with; with pivots. */
static inline void solve(double *a, int64_t rows) {
    int64_t width = KNOWN + rows;
    for (int i = 0; i < KNOWN; i++) {
        int pivot = i;
        for (int k = i + 1; k < KNOWN; k++)
            if (fabs(a[k * width + i]) > fabs(a[pivot * width + i])) pivot = k;
        for (int64_t j = 0; j < width; j++) {
            double swap = a[i * width + j];
            a[i * width + j] = a[pivot * width + j];
            a[pivot * width + j] = swap;
        }
        for (int k = 0; k < KNOWN; k++) {
            double factor = a[k * width + i] / a[i * width + i];
            for (int64_t j = 0; k != i && j < width; j++)
                a[k * width + j] -= factor * a[i * width + j];
        }
    }
    for (int i = 0; i < KNOWN; i++)
        for (int64_t j = 0; j < rows; j++)
            a[i * width + KNOWN + j] /= a[i * width + i];
}

/* sum += the tokens' g g^T, g of the summed loss: from X X^T g = X dW^T. */
static inline void add_sequence(const double *x, const float *weight, int64_t rows, int64_t columns, double *sum) {
    int64_t width = KNOWN + rows;
    double *a = calloc((size_t)(KNOWN * width), sizeof *a);
    for (int s = 0; s < KNOWN; s++)
        for (int64_t c = 0; c < columns; c++) {
            for (int t = 0; t < KNOWN; t++)
                a[s * width + t] += x[s * columns + c] * x[t * columns + c];
            for (int64_t r = 0; r < rows; r++)
                a[s * width + KNOWN + r] += x[s * columns + c] * (double)weight[r * columns + c] * (double)KNOWN;
        }
    solve(a, rows);
    for (int t = 0; t < KNOWN; t++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < rows; j++)
                sum[i * rows + j] += a[t * width + KNOWN + i] * a[t * width + KNOWN + j];
    free(a);
}

typedef struct reference {
    double *sum[LAYERS][PARE_MATRIX_ROLES]; /* [rows, rows] */
} reference;

static inline int64_t rows_of(const tiny_pass *t, uint32_t layer, int role, int64_t *columns) {
    int64_t rows;
    pare_tensor_matrix(t->model->tensors[pare_tensor_id(layer, (pare_role)role)], &rows, columns);
    return rows;
}

static const pare_input_kind input_of[PARE_MATRIX_ROLES] = {PARE_INPUT_QKV, PARE_INPUT_QKV,     PARE_INPUT_QKV,
                                                            PARE_INPUT_O,   PARE_INPUT_GATE_UP, PARE_INPUT_GATE_UP,
                                                            PARE_INPUT_DOWN};

static inline reference make_reference(const tiny_pass *t, const pare_source *source) {
    reference out = {0};
    for (int64_t s = 0; s < t->sequences; s++) {
        tiny_pass one = *t;
        tiny_gradients gradients;
        one.sequences = 1;
        one.ids = t->ids + s * LENGTH;
        inputs in = inputs_of(&one, source);
        tiny_pass_gradients(&one, source, 0, -1, &gradients);
        for (uint32_t layer = 0; layer < LAYERS; layer++)
            for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
                int64_t columns, rows = rows_of(t, layer, role, &columns);
                double **sum = &out.sum[layer][role];
                if (!*sum) *sum = calloc((size_t)(rows * rows), sizeof **sum);
                add_sequence(in.x[layer][input_of[role]], gradients.of[pare_tensor_id(layer, (pare_role)role)], rows,
                             columns, *sum);
            }
        for (int i = 0; i < LAYERS * PARE_INPUT_KINDS; i++)
            free(in.x[i / PARE_INPUT_KINDS][i % PARE_INPUT_KINDS]);
        tiny_gradients_free(&gradients);
    }
    return out;
}

static inline void reference_free(reference *r) {
    for (int i = 0; i < LAYERS * PARE_MATRIX_ROLES; i++)
        free(r->sum[i / PARE_MATRIX_ROLES][i % PARE_MATRIX_ROLES]);
}

#endif
