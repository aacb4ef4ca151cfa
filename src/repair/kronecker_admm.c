/* Scaled coordinates. One array holds D and the multiplier: y is D where the mask keeps and -V / rho elsewhere, where D
 * is 0, just as V is 0 where the mask keeps. The gradient of the fit, F (B - W) H, is carried along with B's steps. */
#include "repair/dot.h"
#include "repair/kronecker_internal.h"
#include "repair/sandwich.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* A preconditioner serves penalties that are up to so many times smaller or larger than its own. */
static const double stale = 4.0;

typedef struct work {
    const pare_kronecker_metric *metric;
    const pare_kronecker *k;
    pare_element_mask *mask;
    int64_t rows, columns, size;
    float *fit;                            /* B */
    float *y, *gradient;                   /* F (B - W) H */
    float *residual, *direction, *product; /* all [rows, columns] */
    float *row_inverse, *column_inverse;   /* (F + sqrt(rho) I)^-1; (H + sqrt(rho) I)^-1 */
    pare_sandwich sides, inverses;         /* F and H, where there are inner steps; the inverses */
    pare_sandwich_room room;
    double *sums;         /* [rows] */
    double rho, factored; /* factored: rho of the inverses; 0: none yet */
    float shift;          /* what they have on their diagonals: its root, or itself where rows are independent */
} work;

uint64_t pare_kronecker_admm_bytes(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t r = (uint64_t)rows, c = (uint64_t)columns;
    bool rounds = pare_sandwich_rounds(problem->backend);
    return (5 * r * c + c * c + r * (uint64_t)coupled) * sizeof(float) + r * sizeof(double) +
           (problem->inner > 1 ? 2 : 1) * pare_sandwich_bytes(rounds, coupled, rows, columns) +
           pare_sandwich_room_bytes(rounds, coupled, rows, columns);
}

/* The preconditioner's penalty where that of iteration i is rho: in the middle of those that it serves. */
static double centre(const pare_kronecker *k, int32_t i, double rho) {
    double last = rho * pow(k->growth, (double)(k->iterations - 1 - i));
    return fmin(rho * stale, sqrt(rho * fmax(rho, last)));
}

static bool serves(double factored, double rho) {
    return factored > 0.0 && rho <= stale * factored * (1.0 + 1e-9);
}

/* How often the preconditioner is made. */
static double factored_times(const pare_kronecker *k) {
    double times = 0.0, factored = 0.0, rho = k->rho;
    for (int32_t i = 0; i < k->iterations; i++, rho *= k->growth) {
        if (serves(factored, rho)) continue;
        factored = centre(k, i, rho);
        times += 1.0;
    }
    return times;
}

/* Every iteration but the first takes products with the inverses, and where it goes on by a product with the inverses
 * and one with the metric a step. */
pare_work pare_kronecker_admm_work(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns) {
    double m = (double)rows, n = (double)columns, iterations = (double)problem->iterations;
    double first = iterations > 1.0 ? iterations - 1.0 : 0.0, steps = first * (double)problem->inner;
    bool rounds = pare_sandwich_rounds(problem->backend);
    double inverse = n * n * n + m * (double)coupled * (double)coupled;
    pare_work total = pare_sandwich_resolve_work(rounds, coupled, rows, columns, first);
    pare_work inner = pare_sandwich_work(rounds, coupled, rows, columns, 2.0 * (steps - first));
    pare_work_add(&total, &inner, 1.0);
    total.amount[PARE_WORK_SINGLE] += factored_times(problem) * inverse;
    total.amount[PARE_WORK_BYTES] += (steps * 20.0 + iterations * 10.0) * m * n * sizeof(float);
    pare_work choice = pare_element_select_work(rows, columns);
    if (problem->choose) pare_work_add(&total, &choice, iterations);
    return total;
}

static void work_free(work *w) {
    pare_free(w->y);
    pare_free(w->gradient);
    pare_free(w->residual);
    pare_free(w->direction);
    pare_free(w->product);
    pare_sandwich_free(&w->sides);
    pare_sandwich_free(&w->inverses);
    pare_sandwich_room_free(&w->room);
    pare_free(w->row_inverse);
    pare_free(w->column_inverse);
    pare_free(w->sums);
}

static pare_status work_new(work *w) {
    size_t size = (size_t)w->size, rows = (size_t)w->rows, columns = (size_t)w->columns;
    float **matrices[] = {&w->y, &w->gradient, &w->residual, &w->direction, &w->product};
    const pare_kronecker_metric *m = w->metric;
    const pare_backend *rounding = pare_sandwich_rounds(w->k->backend) ? w->k->backend : NULL;
    const pare_sandwich shape = {rounding, m->blocks, w->columns, m->fisher, m->gram, NULL, NULL};
    pare_status status = pare_alloc(&w->sums, rows, sizeof(double), "weight update");
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices && !status; i++)
        status = pare_alloc_uninitialized(matrices[i], size, sizeof(float), "weight update");
    if (!status)
        status = pare_alloc_uninitialized(&w->column_inverse, columns * columns, sizeof(float), "weight update");
    if (!status && m->fisher)
        status = pare_alloc_uninitialized(&w->row_inverse, (size_t)pare_blocks_elements(m->blocks), sizeof(float),
                                          "weight update");
    if (!status && w->k->inner > 1)
        status = pare_sandwich_new(w->k->backend, m->fisher, m->blocks, m->gram, w->columns, &w->sides);
    if (!status) status = pare_sandwich_room_new(&shape, &w->room);
    if (status) work_free(w);
    return status;
}

/* inverse = (matrix + shift I)^-1 */
static pare_status invert(const work *w, const float *matrix, int64_t n, double shift, float *inverse) {
    memcpy(inverse, matrix, (size_t)(n * n) * sizeof *inverse);
    for (int64_t i = 0; i < n; i++)
        inverse[i * (n + 1)] = (float)((double)inverse[i * (n + 1)] + shift);
    if (pare_cholesky_float(inverse, n)) return pare_cholesky_inverse_float(inverse, n);
    return pare_fail(PARE_NUMERIC_ERROR, "the metric of %s cannot be factored: raise the damping", w->k->what);
}

static pare_status precondition(work *w, int32_t iteration) {
    const pare_kronecker_metric *m = w->metric;
    if (serves(w->factored, w->rho)) return PARE_OK;
    w->factored = centre(w->k, iteration, w->rho);
    w->shift = (float)(m->fisher ? sqrt(w->factored) : w->factored);
    PARE_TRY(invert(w, m->gram, w->columns, w->shift, w->column_inverse));
    for (int64_t i = 0; i < (m->fisher ? m->blocks.count : 0); i++) {
        int64_t begin = pare_blocks_begin(m->blocks, i);
        PARE_TRY(invert(w, m->fisher + begin, m->blocks.size, w->shift, w->row_inverse + begin));
    }
    pare_sandwich_free(&w->inverses);
    return pare_sandwich_new(w->k->backend, w->row_inverse, m->blocks, w->column_inverse, w->columns, &w->inverses);
}

static double dot(const work *w, const float *a, const float *b) {
    return pare_dot_rows(a, b, w->rows, w->columns, w->sums);
}

/* residual = rho (y - B) - F (B - W) H */
static void find_residual(const work *w) {
    float rho = (float)w->rho;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->size; i++)
        w->residual[i] = rho * (w->y[i] - w->fit[i]) - w->gradient[i];
}

/* direction and product = F direction H: the first step down the residual. */
static pare_status begin(const work *w) {
    return pare_sandwich_resolve(&w->inverses, w->shift, &w->room, w->residual, w->direction, w->product);
}

static pare_status multiply(const work *w, const pare_sandwich *between, const float *matrix) {
    return pare_sandwich_run(between, &w->room, matrix, w->rows, w->product);
}

/* The same for a further one, conjugate to that before. */
static pare_status turn(const work *w, double *energy) {
    double before = *energy;
    PARE_TRY(multiply(w, &w->inverses, w->residual));
    *energy = dot(w, w->residual, w->product);
    float factor = (float)(*energy / before);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->size; i++)
        w->direction[i] = w->product[i] + factor * w->direction[i];
    return multiply(w, &w->sides, w->direction);
}

/* Along the direction; product: F direction H. */
static void move(const work *w, float length) {
    float rho = (float)w->rho;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->size; i++) {
        w->fit[i] += length * w->direction[i];
        w->gradient[i] += length * w->product[i];
        w->residual[i] -= length * (w->product[i] + rho * w->direction[i]);
    }
}

/* B, by conjugate gradients from where it was. */
static pare_status solve(work *w, int32_t iteration) {
    double energy = 0.0;
    PARE_TRY(precondition(w, iteration));
    find_residual(w);
    for (int32_t step = 0; step < w->k->inner; step++) {
        PARE_TRY(step ? turn(w, &energy) : begin(w));
        if (!step) energy = dot(w, w->residual, w->direction);
        double curvature = dot(w, w->direction, w->product) + w->rho * dot(w, w->direction, w->direction);
        if (!(energy > 0.0) || !(curvature > 0.0) || !isfinite(energy / curvature)) break;
        move(w, (float)(energy / curvature));
    }
    return pare_interrupted();
}

/* y = B + V / rho, of the mask before. */
PARE_VECTORIZE static void add_multiplier_to_row(const uint64_t *word, const float *fit, int64_t n, float *y) {
    for (int64_t j = 0; j < n; j += PARE_MASK_HALF) {
        uint32_t kept = pare_element_half(word, j);
        int64_t count = pare_smaller(n - j, PARE_MASK_HALF);
        for (int64_t l = 0; l < count; l++)
            y[j + l] = fit[j + l] - (kept >> l & 1 ? 0.0f : y[j + l]);
    }
}

/* At first V is 0. */
static void add_multiplier(const work *w, bool first) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++) {
        const float *fit = w->fit + row * w->columns;
        float *y = w->y + row * w->columns;
        if (first)
            memcpy(y, fit, (size_t)w->columns * sizeof *y);
        else
            add_multiplier_to_row(w->mask->word + row * w->mask->stride, fit, w->columns, y);
    }
}

PARE_VECTORIZE static void scale_rest_of_row(const uint64_t *word, float factor, int64_t n, float *y) {
    for (int64_t j = 0; j < n; j += PARE_MASK_HALF) {
        uint32_t kept = pare_element_half(word, j);
        int64_t count = pare_smaller(n - j, PARE_MASK_HALF);
        for (int64_t l = 0; l < count; l++)
            y[j + l] = kept >> l & 1 ? y[j + l] : factor * y[j + l];
    }
}

/* V + rho (B - D) is -rho y off the mask; by the next iteration rho has grown. */
static void project(const work *w) {
    float next = (float)(-1.0 / w->k->growth);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        scale_rest_of_row(w->mask->word + row * w->mask->stride, next, w->columns, w->y + row * w->columns);
}

/* The first fit is the target itself. */
static pare_status iterate(work *w) {
    if (!w->k->iterations) return PARE_OK; /* the mask is given: conjugate gradients begin with the target */
    memset(w->gradient, 0, (size_t)w->size * sizeof *w->gradient);
    w->rho = w->k->rho;
    for (int32_t i = 0; i < w->k->iterations; i++) {
        if (i) PARE_TRY(solve(w, i));
        add_multiplier(w, i == 0);
        if (w->k->choose) {
            pare_kronecker_scores(w->metric, w->y, w->product);
            PARE_TRY(pare_element_select(w->product, w->k->choose, w->mask));
        }
        project(w);
        w->rho *= w->k->growth;
    }
    memcpy(w->fit, w->y, (size_t)w->size * sizeof *w->fit);
    return PARE_OK;
}

pare_status pare_kronecker_admm(const pare_kronecker_metric *metric, float *weights, pare_element_mask *mask) {
    work w = {.metric = metric,
              .k = metric->problem,
              .mask = mask,
              .rows = metric->rows,
              .columns = metric->columns,
              .size = metric->rows * metric->columns,
              .fit = weights};
    PARE_TRY(work_new(&w));
    pare_status status = iterate(&w);
    work_free(&w);
    return status;
}
