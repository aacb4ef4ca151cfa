#include "repair/kronecker_internal.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double largest_share = 1.0, first_share = 1e-8;

/* One side of the metric, and how it is damped. */
typedef struct side {
    const float *from;
    pare_blocks blocks; /* of columns, one */
    int64_t n;          /* rows of all of them */
    float *to, *scale, *live;
    bool dies; /* where the diagonal is 0 before damping */
    pare_damping *damping;
} side;

static side input_side(const pare_kronecker_metric *m, pare_damping *damping) {
    return (side){
        m->problem->gram, pare_blocks_of(m->columns, 0), m->columns, m->gram, m->column_scale, m->column_live, true,
        damping};
}

static side output_side(const pare_kronecker_metric *m, pare_damping *damping) {
    return (side){m->problem->fisher,
                  m->blocks,
                  m->rows,
                  m->fisher,
                  m->row_scale,
                  m->row_live,
                  m->problem->fisher_damping <= 0.0,
                  damping};
}

/* scale and live of element i, whose diagonal is `value` before damping. */
static void set_scale(const side *s, int64_t i, double value) {
    double damped = value + s->damping->lambda;
    bool live = damped > 0.0 && (!s->dies || value > 0.0);
    s->live[i] = live ? 1.0f : 0.0f;
    s->scale[i] = live ? (float)sqrt(damped) : 1.0f;
}

static void set_scales(const side *s) {
    s->damping->dead = 0;
    for (int64_t i = 0; i < s->n; i++) {
        set_scale(s, i, (double)s->from[pare_blocks_diagonal(s->blocks, i)]);
        s->damping->dead += s->live[i] == 0.0f;
    }
}

static void fill(const side *s, bool scaled) {
    pare_blocks b = s->blocks;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < s->n; i++) {
        const float *row = s->from + pare_blocks_row(b, i), *scale = s->scale + pare_blocks_first(b, i);
        float *out = s->to + pare_blocks_row(b, i);
        for (int64_t j = 0; j < b.size; j++)
            out[j] = scaled ? row[j] / (s->scale[i] * scale[j]) : row[j];
        double diagonal = scaled ? 1.0 : (double)row[i % b.size] + s->damping->lambda;
        out[i % b.size] = s->live[i] == 0.0f ? 0.0f : (float)diagonal;
    }
}

static bool can_be_factored(const side *s, float *factor) {
    pare_blocks b = s->blocks;
    for (int64_t i = 0; i < b.count; i++) {
        memcpy(factor, s->to + pare_blocks_begin(b, i), (size_t)(b.size * b.size) * sizeof *factor);
        for (int64_t j = 0; j < b.size; j++)
            if (s->live[i * b.size + j] == 0.0f) factor[j * (b.size + 1)] = 1.0f;
        if (!pare_cholesky_float(factor, b.size)) return false;
    }
    return true;
}

/* Raises the damping until the matrix can be factored; factor: scratch of one block. */
static pare_status damp(const side *s, double share, double mean, const char *what, float *factor) {
    pare_damping *damping = s->damping;
    *damping = (pare_damping){.share = share};
    for (;; damping->raised++) {
        damping->lambda = damping->share * mean;
        set_scales(s);
        fill(s, true);
        if (can_be_factored(s, factor)) return PARE_OK;
        if (damping->share >= largest_share)
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the products of %s cannot be factored even with damping %g: calibrate with more or other "
                             "samples",
                             what, damping->share);
        damping->share = damping->share > 0.0 ? fmin(damping->share * 10.0, largest_share) : first_share;
    }
}

static bool is_diagonal(const float *matrix, pare_blocks b) {
    for (int64_t i = 0; i < pare_blocks_rows(b); i++)
        for (int64_t j = 0; j < b.size; j++)
            if (i % b.size != j && matrix[pare_blocks_row(b, i) + j] != 0.0f) return false;
    return true;
}

/* F's diagonal element, 1 where it is the unit matrix. */
static double diagonal_of(const pare_kronecker_metric *m, int64_t row) {
    const pare_kronecker *k = m->problem;
    if (k->fisher) return (double)k->fisher[pare_blocks_diagonal(m->blocks, row)];
    return k->fisher_diagonal ? (double)k->fisher_diagonal[row] : 1.0;
}

static pare_status diagonal_mean(const pare_kronecker_metric *m, const char *what, double *mean) {
    double sum = 0.0;
    for (int64_t row = 0; row < m->rows; row++)
        sum += diagonal_of(m, row);
    *mean = sum / (double)(m->rows ? m->rows : 1);
    if (isfinite(sum)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR, "%s hold NaN or infinity: check the model with `pare inspect`", what);
}

/* Rows apart: only F's diagonal. */
static void set_rows_apart(pare_kronecker_metric *m, double mean) {
    pare_damping *damping = &m->fisher_damping;
    bool unit = !m->problem->fisher && !m->problem->fisher_diagonal;
    if (unit) mean = 0.0;
    *damping = (pare_damping){.share = mean > 0.0 ? m->problem->fisher_damping : 0.0};
    damping->lambda = damping->share * mean;
    side s = output_side(m, damping);
    for (int64_t row = 0; row < m->rows; row++) {
        set_scale(&s, row, mean > 0.0 ? diagonal_of(m, row) : 1.0);
        damping->dead += m->row_live[row] == 0.0f;
    }
}

static pare_status set_rows(pare_kronecker_metric *m, const char *what, float *factor) {
    const pare_kronecker *k = m->problem;
    double mean = 0.0;
    for (int64_t i = 0; i < (k->fisher ? m->blocks.count : 0); i++)
        PARE_TRY(pare_gram_mean(k->fisher + pare_blocks_begin(m->blocks, i), m->blocks.size, what, &mean));
    PARE_TRY(diagonal_mean(m, what, &mean));
    if (!m->fisher) set_rows_apart(m, mean);
    if (m->fisher) {
        side s = output_side(m, &m->fisher_damping);
        PARE_TRY(damp(&s, k->fisher_damping, mean, what, factor));
    }
    for (int64_t row = 0; row < m->rows; row++)
        m->row_weight[row] = (double)m->row_live[row] * (double)m->row_scale[row] * (double)m->row_scale[row];
    return PARE_OK;
}

static pare_status set(pare_kronecker_metric *m, float *factor) {
    const pare_kronecker *k = m->problem;
    char inputs[160], outputs[160];
    double mean;
    snprintf(inputs, sizeof inputs, "the inputs of %s", k->what);
    snprintf(outputs, sizeof outputs, "the loss's gradients at the outputs of %s", k->what);
    PARE_TRY(pare_gram_mean(k->gram, m->columns, inputs, &mean));
    side s = input_side(m, &m->gram_damping);
    PARE_TRY(damp(&s, k->damping, mean > 0.0 ? mean : 1.0, inputs, factor));
    return set_rows(m, outputs, factor);
}

static pare_status allocate(pare_kronecker_metric *m, bool full) {
    size_t rows = (size_t)m->rows, columns = (size_t)m->columns;
    pare_status status = pare_alloc_uninitialized(&m->gram, columns * columns, sizeof(float), "weight update");
    if (!status && full)
        status = pare_alloc_uninitialized(&m->fisher, (size_t)pare_blocks_elements(m->blocks), sizeof(float),
                                          "weight update");
    if (!status) status = pare_alloc(&m->row_scale, rows, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&m->column_scale, columns, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&m->row_live, rows, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&m->column_live, columns, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&m->row_weight, rows, sizeof(double), "weight update");
    return status;
}

pare_status pare_kronecker_metric_new(const pare_kronecker *problem, int64_t rows, int64_t columns,
                                      pare_kronecker_metric *out) {
    pare_blocks blocks = pare_blocks_of(rows, problem->block);
    bool full = problem->fisher && !is_diagonal(problem->fisher, blocks);
    size_t n = (size_t)(full ? pare_larger(blocks.size, columns) : columns);
    float *factor = NULL;
    *out = (pare_kronecker_metric){.problem = problem, .rows = rows, .columns = columns, .blocks = blocks};
    pare_status status = allocate(out, full);
    if (!status) status = pare_alloc_uninitialized(&factor, n * n, sizeof *factor, "weight update");
    if (!status) status = set(out, factor);
    pare_free(factor);
    if (status) pare_kronecker_metric_free(out);
    return status;
}

void pare_kronecker_metric_free(pare_kronecker_metric *metric) {
    pare_free(metric->gram);
    pare_free(metric->fisher);
    pare_free(metric->row_scale);
    pare_free(metric->column_scale);
    pare_free(metric->row_live);
    pare_free(metric->column_live);
    pare_free(metric->row_weight);
    *metric = (pare_kronecker_metric){0};
}

uint64_t pare_kronecker_metric_held_bytes(int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t r = (uint64_t)rows, c = (uint64_t)columns;
    return (c * c + r * (uint64_t)coupled + 2 * (r + c)) * sizeof(float) + r * sizeof(double);
}

uint64_t pare_kronecker_metric_bytes(int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t n = (uint64_t)pare_larger(coupled, columns);
    return pare_kronecker_metric_held_bytes(coupled, rows, columns) + n * n * sizeof(float);
}

void pare_kronecker_metric_unscale(pare_kronecker_metric *metric) {
    side inputs = input_side(metric, &metric->gram_damping), outputs = output_side(metric, &metric->fisher_damping);
    fill(&inputs, false);
    if (metric->fisher) fill(&outputs, false);
}

void pare_kronecker_scale(const pare_kronecker_metric *metric, float *matrix, bool back) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < metric->rows; row++) {
        float *values = matrix + row * metric->columns, scale = metric->row_scale[row];
        for (int64_t j = 0; j < metric->columns; j++) {
            float both = scale * metric->column_scale[j];
            values[j] = back ? values[j] / both : values[j] * both;
        }
    }
}

void pare_kronecker_scores(const pare_kronecker_metric *metric, const float *matrix, float *scores) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < metric->rows; row++) {
        const float *values = matrix + row * metric->columns;
        for (int64_t j = 0; j < metric->columns; j++)
            scores[row * metric->columns + j] = fabsf(values[j]) * metric->row_live[row] * metric->column_live[j];
    }
}
