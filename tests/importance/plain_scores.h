/* Scores of units by plain loops in double, to compare pare's with: a tiny model and random signals for all of it. */
#ifndef PARE_TESTS_PLAIN_SCORES_H
#define PARE_TESTS_PLAIN_SCORES_H

#include "golden.h"
#include "importance/scores.h"
#include "tiny_model.h"

typedef struct plain {
    char *folder;
    pare_model *model;
    float **gradient, **squares, **inputs; /* [tensor_count] each */
    float scale;                           /* of the gradient */
} plain;

static inline float *plain_normals(uint64_t count, bool positive, uint64_t *state) {
    float *x = malloc(count * sizeof *x);
    for (uint64_t i = 0; i < count; i++)
        x[i] = (float)(positive ? fabs(tiny_normal(state)) : tiny_normal(state));
    return x;
}

static inline plain plain_open(tiny_model tiny) {
    plain p = {.folder = tiny_model_write(tiny), .scale = 0.37f};
    uint64_t state = 5;
    assert_int_equal(pare_model_open(p.folder, &p.model), PARE_OK);
    size_t count = p.model->tensor_count;
    p.gradient = calloc(count, sizeof *p.gradient);
    p.squares = calloc(count, sizeof *p.squares);
    p.inputs = calloc(count, sizeof *p.inputs);
    for (size_t id = 0; id < count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(p.model->tensors[id], &rows, &columns);
        p.gradient[id] = plain_normals((uint64_t)(rows * columns), false, &state);
        p.squares[id] = plain_normals((uint64_t)(rows * columns), true, &state);
        p.inputs[id] = plain_normals((uint64_t)columns, true, &state);
    }
    return p;
}

static inline void plain_close(plain *p) {
    for (size_t id = 0; id < p->model->tensor_count; id++) {
        free(p->gradient[id]);
        free(p->squares[id]);
        free(p->inputs[id]);
    }
    free(p->gradient);
    free(p->squares);
    free(p->inputs);
    pare_model_close(p->model);
    tiny_remove(p->folder);
    free(p->folder);
}

/* l_p norm of a row or column of the stored weights, p = 1 or 2. */
static inline double plain_norm(const pare_tensor *tensor, bool by_column, int64_t index, int order) {
    int64_t rows, columns;
    double sum = 0.0;
    pare_tensor_matrix(tensor, &rows, &columns);
    for (int64_t i = 0; i < (by_column ? rows : columns); i++) {
        size_t at = (size_t)(by_column ? i * columns + index : index * columns + i);
        float stored;
        pare_to_float(&stored, (const char *)tensor->data + at * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
        sum += pow(fabs((double)stored), order);
    }
    return pow(sum, 1.0 / order);
}

/* What plain_element knows: all that the rows of a structured score bring, but random draws. */
static inline bool plain_knows(const pare_salience *salience) {
    return !(salience->needs & (PARE_NEEDS_OUTPUTS | PARE_NEEDS_INVERSE | PARE_NEEDS_WHOLE)) &&
           salience != &pare_salience_stochria;
}

/* The formulas of salience.h once more. */
static inline double plain_element(const plain *p, const pare_salience *salience, size_t id, int64_t row,
                                   int64_t column) {
    const pare_tensor *tensor = p->model->tensors[id];
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    size_t at = (size_t)(row * columns + column);
    float stored;
    pare_to_float(&stored, (const char *)tensor->data + at * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
    double w = (double)stored, g = (double)p->gradient[id][at] * (double)p->scale, a = (double)p->squares[id][at];
    if (salience == &pare_salience_first_order) return fabs(w * g);
    if (salience == &pare_salience_vectorize) return w * g;
    if (salience == &pare_salience_second_order) return w * w * a;
    if (salience == &pare_salience_mixed) return fabs(w * g - 0.5 * w * w * a);
    if (salience == &pare_salience_absolute) return fabs(w);
    if (salience == &pare_salience_square) return w * w;
    double x = (double)p->inputs[id][column];
    if (salience == &pare_salience_activation) return fabs(w) * x;
    if (salience == &pare_salience_gblm) return fabs(w) * (x + 100.0 * fabs(g));
    if (salience == &pare_salience_gradient) return fabs(w) * fabs(g);
    int order = salience == &pare_salience_symmetric ? 2 : 1;
    double of_row = plain_norm(tensor, false, row, order), of_column = plain_norm(tensor, true, column, order);
    if (salience == &pare_salience_symmetric) return fabs(w) * (of_row + of_column);
    double relative = fabs(w) * (1.0 / of_row + 1.0 / of_column);
    if (salience == &pare_salience_ri) return relative;
    assert_true(salience == &pare_salience_ria || salience == &pare_salience_lp);
    return relative * sqrt(x);
}

/* Relative error that single precision may cause: more where signs cancel. */
static inline double plain_bound(const pare_salience *salience) {
    return salience->signed_sum ? 1e-3 : 1e-5;
}

/* Of row or column `index`; the absolute value where signs are kept. */
static inline double plain_index(const plain *p, const pare_salience *salience, size_t id, bool by_column,
                                 int64_t index) {
    int64_t rows, columns;
    double total = 0.0;
    pare_tensor_matrix(p->model->tensors[id], &rows, &columns);
    for (int64_t i = 0; i < (by_column ? rows : columns); i++)
        total += plain_element(p, salience, id, by_column ? i : index, by_column ? index : i);
    return fabs(total);
}

static inline double plain_reduce(const double *members, int count, pare_reduction reduction) {
    double sum = 0.0, largest = members[0], product = 1.0;
    for (int i = 0; i < count; i++) {
        sum += members[i];
        largest = fmax(largest, members[i]);
        product *= members[i];
    }
    switch (reduction) {
    case PARE_REDUCE_MEAN:
        return sum / count;
    case PARE_REDUCE_MAX:
        return largest;
    case PARE_REDUCE_PROD:
        return product;
    case PARE_REDUCE_FIRST:
        return members[0];
    case PARE_REDUCE_SECOND:
        return members[1];
    default:
        return sum;
    }
}

/* keys: [K h]. Each query index of Q or O adds to one key index: in its own group, or r mod (K h). */
static inline void plain_gather(const plain *p, const pare_salience *salience, uint32_t layer, pare_role role,
                                pare_alignment alignment, double *keys) {
    const pare_widths *w = &p->model->config.widths[layer];
    int64_t h = p->model->config.head_size, shared = w->heads / w->kv_heads, all = w->kv_heads * h;
    memset(keys, 0, (size_t)all * sizeof *keys);
    for (int64_t i = 0; i < w->heads * h; i++)
        keys[alignment == PARE_ALIGN_STRIDED ? i % all : i / h / shared * h + i % h] +=
            plain_index(p, salience, pare_tensor_id(layer, role), role == PARE_ROLE_O, i);
}

/* heads: [K] */
static inline void plain_heads(const plain *p, const pare_salience *salience, uint32_t layer, pare_reduction reduction,
                               pare_alignment alignment, double *heads) {
    const pare_widths *w = &p->model->config.widths[layer];
    int64_t h = p->model->config.head_size, all = w->kv_heads * h;
    double *q = malloc((size_t)all * sizeof *q), *o = malloc((size_t)all * sizeof *o);
    plain_gather(p, salience, layer, PARE_ROLE_Q, alignment, q);
    plain_gather(p, salience, layer, PARE_ROLE_O, alignment, o);
    memset(heads, 0, w->kv_heads * sizeof *heads);
    for (int64_t i = 0; i < all; i++) {
        double k = plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_K), false, i);
        double v = plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_V), false, i);
        double separate[] = {q[i], o[i], v, k}, grouped[] = {k, o[i], v, q[i]};
        heads[i / h] += plain_reduce(w->heads == w->kv_heads ? separate : grouped, 4, reduction);
    }
    free(q);
    free(o);
}

static inline double plain_query(const plain *p, const pare_salience *salience, uint32_t layer, int64_t head,
                                 pare_reduction reduction) {
    int64_t h = p->model->config.head_size;
    double total = 0.0;
    for (int64_t i = head * h; i < (head + 1) * h; i++) {
        double members[] = {plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_Q), false, i),
                            plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_O), true, i)};
        total += plain_reduce(members, 2, reduction);
    }
    return total;
}

static inline double plain_channel(const plain *p, const pare_salience *salience, uint32_t layer, int64_t channel,
                                   pare_reduction reduction) {
    double members[] = {plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_GATE), false, channel),
                        plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_UP), false, channel),
                        plain_index(p, salience, pare_tensor_id(layer, PARE_ROLE_DOWN), true, channel)};
    return plain_reduce(members, 3, reduction);
}

/* pare's scores: every tensor added in pieces of `piece` rows (0: whole). */
static inline pare_index_scores plain_add(const plain *p, const pare_salience *salience, pare_score_axis axis,
                                          int64_t piece) {
    pare_index_scores out;
    unsigned needs = salience->needs;
    assert_int_equal(pare_index_scores_new(p->model, salience, axis, &out), PARE_OK);
    for (size_t id = 0; id < p->model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(p->model->tensors[id], &rows, &columns);
        int64_t step = piece ? piece : rows;
        for (int64_t first = 0; first < rows; first += step) {
            pare_row_signals signals = {.gradient =
                                            needs & PARE_NEEDS_GRADIENT ? p->gradient[id] + first * columns : NULL,
                                        .squares = needs & PARE_NEEDS_SQUARES ? p->squares[id] + first * columns : NULL,
                                        .inputs = needs & PARE_NEEDS_INPUTS ? p->inputs[id] : NULL,
                                        .gradient_scale = p->scale};
            assert_int_equal(
                pare_index_scores_add(&out, id, first, rows - first < step ? rows - first : step, &signals), PARE_OK);
        }
    }
    return out;
}

static inline pare_unit_scores plain_units(const plain *p, const pare_salience *salience, pare_score_axis axis,
                                           pare_reduction reduction, pare_alignment alignment) {
    pare_unit_scores units;
    pare_index_scores indices = plain_add(p, salience, axis, 0);
    assert_int_equal(pare_unit_scores_new(p->model, &units), PARE_OK);
    pare_unit_scores_reduce(&indices, reduction, alignment, &units);
    pare_index_scores_free(&indices);
    return units;
}

#endif
