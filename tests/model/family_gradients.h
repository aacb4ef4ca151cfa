/* Loss gradients of every tensor of a case, put together from those of a pass, against the oracle's. */
#ifndef PARE_TESTS_FAMILY_GRADIENTS_H
#define PARE_TESTS_FAMILY_GRADIENTS_H

#include "checkpoint/view.h"
#include "families.h"
#include "model/parts.h"

/* By tensor id, as they come. */
typedef struct gradients {
    const pare_model *model;
    float **of;
} gradients;

static inline bool wants_all(void *context, size_t id) {
    return ((gradients *)context)->model->tensors[id]->count > 0;
}

static inline pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                    const float *gradient, const float *samples) {
    (void)samples;
    gradients *g = context;
    assert_true((uint64_t)((first + rows) * columns) <= g->model->tensors[id]->count);
    memcpy(g->of[id] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    return PARE_OK;
}

/* shape: with sequences and length. */
static inline gradients gradients_of(const pare_model *model, const pare_backend *backend, const uint32_t *ids,
                                     pare_pass_shape shape, double *loss) {
    gradients g = {.model = model, .of = calloc(model->tensor_count, sizeof *g.of)};
    for (size_t id = 0; id < model->tensor_count; id++) {
        g.of[id] = malloc(model->tensors[id]->count * sizeof(float) + 1);
        for (size_t i = 0; i < model->tensors[id]->count; i++)
            g.of[id][i] = NAN;
    }
    pare_source source = {.model = model, .backend = backend};
    shape.gradients = true;
    pare_gradient_sink sink = {.wants = wants_all, .rows = take_rows, .context = &g};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, ids, &sink, loss), PARE_OK);
    pare_pass_free(pass);
    return g;
}

static inline void gradients_free(gradients *g) {
    for (size_t id = 0; id < g->model->tensor_count; id++)
        free(g->of[id]);
    free(g->of);
}

/* Element i of a tensor, row after row, in the stored one of which it is a part that begins at `first`. */
static inline size_t place(const pare_tensor *tensor, size_t first, size_t i) {
    const pare_view *view = tensor->view;
    if (!view) return first + i;
    int64_t columns = tensor->rank == 1 ? 1 : pare_tensor_columns(tensor);
    int64_t row = (int64_t)i / columns, column = (int64_t)i % columns;
    return first + (size_t)(view->first + row / view->block * view->block_step + row % view->block * view->row_step +
                            column * view->column_step);
}

/* The gradient of a stored tensor; NAN where no part has one. */
static inline float *assemble(const gradients *g, const pare_tensor *stored) {
    float *whole = malloc(stored->count * sizeof *whole + 1);
    const char *from = stored->data;
    for (size_t i = 0; i < stored->count; i++)
        whole[i] = NAN;
    for (size_t i = 0; i < g->model->part_count; i++) {
        const pare_stored_part *part = &g->model->parts[i];
        for (uint32_t head = 0; head < part->piece_count; head++)
            if (part->pieces[head] == stored)
                memcpy(whole, g->of[part->id] + head * stored->count, stored->count * sizeof *whole);
    }
    for (size_t id = 0; id < g->model->tensor_count; id++) {
        const pare_tensor *tensor = g->model->tensors[id];
        const char *data = tensor->data;
        if (!tensor->count || tensor->file != stored->file || data < from || data >= from + stored->bytes) continue;
        for (size_t i = 0; i < tensor->count; i++) {
            size_t at = place(tensor, (size_t)(data - from) / sizeof(float), i);
            assert_true(at < stored->count && isnan(whole[at]));
            whole[at] = g->of[id][i];
        }
    }
    return whole;
}

/* Of a case's tensors, the largest L2 norm. */
static inline double largest_norm(const json_t *one) {
    size_t i;
    json_t *row;
    double largest = 0.0;
    json_array_foreach(json_object_get(one, "tensors"), i, row) largest =
        fmax(largest, json_number_value(json_array_get(json_array_get(row, 2), 0)));
    return largest;
}

/* Of the L2 norm, of the product with numbers of size 1, of two elements; relative to the norm, or to `least` where
 * that is larger: a bias of keys that do not turn has no gradient but what rounding makes. */
static inline double tensor_error(const float *whole, size_t count, const char *name, const json_t *wanted,
                                  double least) {
    double squares = 0.0, dot = 0.0, norm = json_number_value(json_array_get(wanted, 0));
    for (size_t i = 0; i < count; i++) {
        if (isnan(whole[i])) return INFINITY;
        squares += (double)whole[i] * (double)whole[i];
        dot += (double)whole[i] * (double)counted(family_stream(name) ^ 1u, (uint32_t)i);
    }
    double worst = family_worse(fabs(sqrt(squares) - norm), fabs(dot - json_number_value(json_array_get(wanted, 1))));
    const size_t picked[] = {0, count - 1};
    for (size_t p = 0; p < 2; p++)
        worst = family_worse(worst, fabs((double)whole[picked[p]] - json_number_value(json_array_get(wanted, p + 2))));
    return worst / fmax(norm, least);
}

static inline size_t check_tensors(const json_t *one, const gradients *g, double bound, double *worst) {
    size_t i, wrong = 0;
    json_t *row;
    double least = 1e-3 * largest_norm(one);
    json_array_foreach(json_object_get(one, "tensors"), i, row) {
        const char *name = json_string_value(json_array_get(row, 0));
        const json_t *wanted = json_array_get(row, 2);
        if (json_is_null(wanted)) continue;
        const pare_tensor *stored = pare_checkpoint_find(g->model->checkpoint, name);
        assert_non_null(stored);
        float *whole = assemble(g, stored);
        double apart = tensor_error(whole, stored->count, name, wanted, least);
        free(whole);
        if (!(apart <= bound)) {
            wrong++;
            fprintf(stderr, "%s: gradient of %s is apart by %.2g of its norm\n", family_name(one), name, apart);
        }
        *worst = family_worse(*worst, apart);
    }
    return wrong;
}

#endif
