#include "repair/admm.h"
#include "repair/keep_better.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

static const double largest_share = 1.0, first_share = 1e-8;

typedef struct work {
    const pare_admm *admm;
    const float *gram;
    const char *what;
    pare_element_mask *mask;
    int64_t rows, columns;
    float *dense;    /* W0, [rows, columns] */
    float *weights;  /* W; at other times the result */
    float *feasible; /* Z */
    float *dual;     /* V */
    float *scale;    /* [columns] sqrt(G_ii), or 1 */
    float *inverse;  /* [columns, columns] rho (G + rho I)^-1 */
} work;

uint64_t pare_admm_bytes(int64_t rows, int64_t columns) {
    uint64_t refine = pare_masked_cg_bytes(rows, columns), error = pare_layer_error_bytes(rows, columns);
    return (uint64_t)(3 * rows * columns + columns * columns + columns) * sizeof(float) +
           2 * (uint64_t)rows * sizeof(double) + (refine > error ? refine : error);
}

/* An inverse, a product in every iteration, the mask as long as it is chosen, conjugate gradients, and two errors. */
pare_work pare_admm_work(const pare_admm *admm, int64_t rows, int64_t columns) {
    double m = (double)rows, n = (double)columns, iterations = (double)admm->iterations;
    pare_work total = pare_masked_cg_work(false, 0, rows, columns, admm->refine),
              error = pare_layer_error_work(rows, columns);
    pare_work_add(&total, &error, 2.0);
    total.amount[PARE_WORK_SINGLE] += n * n * n + iterations * 2.0 * m * n * n;
    total.amount[PARE_WORK_BYTES] += (iterations * 10.0 + 8.0) * m * n * sizeof(float);
    pare_work choice = pare_element_select_work(rows, columns);
    if (admm->choose) pare_work_add(&total, &choice, iterations);
    return total;
}

static void work_free(work *w) {
    pare_free(w->dense);
    pare_free(w->feasible);
    pare_free(w->dual);
    pare_free(w->scale);
    pare_free(w->inverse);
}

static pare_status work_new(work *w) {
    size_t size = (size_t)(w->rows * w->columns), columns = (size_t)w->columns;
    pare_status status = pare_alloc_uninitialized(&w->dense, size, sizeof(float), "weight update");
    if (!status) status = pare_alloc_uninitialized(&w->feasible, size, sizeof(float), "weight update");
    if (!status) status = pare_alloc_uninitialized(&w->dual, size, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&w->scale, columns, sizeof(float), "weight update");
    if (!status) status = pare_alloc_uninitialized(&w->inverse, columns * columns, sizeof(float), "weight update");
    if (status) work_free(w);
    return status;
}

/* Columns to unit norm; inputs that were always 0 stay. */
static void find_scale(work *w) {
    for (int64_t i = 0; i < w->columns; i++) {
        float diagonal = w->gram[i * (w->columns + 1)];
        w->scale[i] = w->admm->normalise && diagonal > 0.0f ? sqrtf(diagonal) : 1.0f;
    }
}

/* The mean of the normalised matrix's diagonal. */
static double mean_diagonal(const work *w) {
    double sum = 0.0;
    for (int64_t i = 0; i < w->columns; i++)
        sum += (double)w->gram[i * (w->columns + 1)] / ((double)w->scale[i] * (double)w->scale[i]);
    return w->columns ? sum / (double)w->columns : 0.0;
}

/* The lower triangle of G + shift I. */
static void gather(work *w, double shift) {
#pragma omp parallel for schedule(static, 16)
    for (int64_t i = 0; i < w->columns; i++) {
        const float *row = w->gram + i * w->columns;
        float *out = w->inverse + i * w->columns;
        for (int64_t j = 0; j <= i; j++)
            out[j] = row[j] / (w->scale[i] * w->scale[j]);
        out[i] = (float)((double)out[i] + shift);
    }
}

/* inverse = rho (G + damping + rho)^-1; without inputs it is the identity. */
static pare_status invert(work *w, pare_damping *damping) {
    int64_t n = w->columns;
    double mean = mean_diagonal(w), unit = mean > 0.0 ? mean : 1.0, rho = w->admm->rho * unit;
    *damping = (pare_damping){.share = w->admm->damping};
    for (int64_t i = 0; i < n; i++)
        damping->dead += !(w->gram[i * (n + 1)] > 0.0f);
    for (;; damping->raised++) {
        damping->lambda = damping->share * unit;
        gather(w, damping->lambda + rho);
        if (pare_cholesky_float(w->inverse, n)) break;
        if (damping->share >= largest_share)
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the Gram matrix of %s cannot be factored even with damping %g: calibrate with more or "
                             "other samples",
                             w->what, damping->share);
        damping->share = damping->share > 0.0 ? fmin(damping->share * 10.0, largest_share) : first_share;
    }
    PARE_TRY(pare_cholesky_inverse_float(w->inverse, n));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n * n; i++)
        w->inverse[i] *= (float)rho;
    return PARE_OK;
}

PARE_VECTORIZE static void scale_row(float *row, const float *scale, int64_t n, bool back) {
    for (int64_t j = 0; j < n; j++)
        row[j] = back ? row[j] / scale[j] : row[j] * scale[j];
}

static void scale_rows(const work *w, float *rows, bool back) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        scale_row(rows + row * w->columns, w->scale, w->columns, back);
}

/* W = W0 + (Z - V - W0) inverse, the difference in Z's place, which the projection writes anew. */
static void solve(work *w) {
    int64_t size = w->rows * w->columns;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < size; i++) {
        w->weights[i] = w->dense[i];
        w->feasible[i] -= w->dual[i] + w->dense[i];
    }
    pare_product(w->rows, w->columns, w->columns, 1.0f, (pare_rows){w->feasible, w->columns},
                 (pare_rows){w->inverse, w->columns}, 1.0f, w->weights, w->columns);
}

/* How sparse the mask is in iteration i: cubic, steep at first, and done by the last iteration. */
static pare_status choose(work *w, int32_t i) {
    const pare_admm *a = w->admm;
    int32_t steps = a->gradual < a->iterations ? a->gradual : a->iterations;
    if (!a->choose || i >= (steps > 0 ? steps : 1)) return PARE_OK;
    double left = steps > 0 ? 1.0 - (double)(i + 1) / (double)steps : 0.0;
    pare_element_target target = *a->choose;
    target.sparsity *= 1.0 - left * left * left;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < w->rows * w->columns; k++)
        w->feasible[k] = fabsf(w->weights[k] + w->dual[k]);
    return pare_element_select(w->feasible, &target, w->mask);
}

PARE_VECTORIZE static void project_row(const uint64_t *word, int64_t n, const float *weights, float *dual,
                                       float *feasible) {
    for (int64_t j = 0; j < n; j++) {
        float sum = weights[j] + dual[j];
        bool kept = word[j / 64] >> (j % 64) & 1;
        feasible[j] = kept ? sum : 0.0f;
        dual[j] = kept ? 0.0f : sum;
    }
}

/* Z = W + V on the mask, V = W + V - Z */
static void project(work *w) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        project_row(w->mask->word + row * w->mask->stride, w->columns, w->weights + row * w->columns,
                    w->dual + row * w->columns, w->feasible + row * w->columns);
}

static pare_status iterate(work *w) {
    memcpy(w->weights, w->dense, (size_t)(w->rows * w->columns) * sizeof *w->weights);
    memset(w->dual, 0, (size_t)(w->rows * w->columns) * sizeof *w->dual);
    for (int32_t i = 0;; i++) {
        PARE_TRY(choose(w, i));
        project(w);
        if (i >= w->admm->iterations) return pare_interrupted();
        PARE_TRY(pare_interrupted());
        solve(w);
    }
}

static pare_status run(work *w, pare_damping *damping) {
    pare_better better;
    memcpy(w->dense, w->weights, (size_t)(w->rows * w->columns) * sizeof *w->dense);
    find_scale(w);
    PARE_TRY(invert(w, damping));
    scale_rows(w, w->dense, false);
    PARE_TRY(iterate(w));
    memcpy(w->weights, w->feasible, (size_t)(w->rows * w->columns) * sizeof *w->weights);
    scale_rows(w, w->weights, true);
    scale_rows(w, w->dense, true);
    if (w->admm->refine > 0) PARE_TRY(pare_masked_cg(w->dense, w->gram, w->mask, w->admm->refine, w->weights));
    return pare_keep_better(w->dense, w->gram, &(pare_row_metric){0}, w->mask, w->feasible, w->weights, &better);
}

pare_status pare_admm_run(const pare_admm *admm, const float *gram, const char *what, float *weights,
                          pare_element_mask *mask, pare_damping *damping) {
    pare_damping unused;
    double mean;
    work w = {.admm = admm,
              .gram = gram,
              .what = what,
              .mask = mask,
              .rows = mask->rows,
              .columns = mask->columns,
              .weights = weights};
    if (!(admm->rho > 0.0)) return pare_fail(PARE_BAD_ARGUMENT, "ADMM needs a rho above 0, not %g", admm->rho);
    if (!pare_all_finite(weights, w.rows * w.columns))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "a matrix that reads %s holds NaN or infinity: check the model with "
                         "`pare inspect`",
                         what);
    PARE_TRY(pare_gram_mean(gram, mask->columns, what, &mean));
    PARE_TRY(work_new(&w));
    pare_status status = run(&w, damping ? damping : &unused);
    work_free(&w);
    return status;
}
