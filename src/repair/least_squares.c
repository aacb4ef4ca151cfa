#include "repair/least_squares.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Removed columns are brought to fp64 this many at a time, rows of the solution likewise. */
enum { PANEL = 256 };

typedef struct work {
    int64_t rows, width, kept, removed;
    const uint32_t *kept_list;
    uint32_t *removed_list; /* [removed] */
    double *product;        /* [rows, width]: W_r G_r + C, then its kept columns alone, [rows, kept] */
    double *factor;         /* [kept, kept] */
    double *panel_gram;     /* [PANEL, width] */
    double *panel_weights;  /* [rows, PANEL]; also [PANEL, kept] */
} work;

static int64_t largest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

uint64_t pare_least_squares_bytes(int64_t rows, int64_t width) {
    return (uint64_t)(rows * width + width * width + PANEL * width + PANEL * largest(rows, width)) * sizeof(double) +
           (uint64_t)width * sizeof(uint32_t);
}

/* A factor, two triangles for every row, and the product with what goes. */
pare_work pare_least_squares_work(int64_t rows, int64_t width, int64_t kept) {
    double m = (double)rows, n = (double)width, k = (double)kept;
    pare_work total = {{0}};
    total.amount[PARE_WORK_DOUBLE] = k * k * k / 3.0 + 2.0 * m * k * k + 2.0 * m * n * (n - k);
    return total;
}

static void work_free(work *w) {
    pare_free(w->removed_list);
    pare_free(w->product);
    pare_free(w->factor);
    pare_free(w->panel_gram);
    pare_free(w->panel_weights);
}

static pare_status work_new(const pare_least_squares *p, work *w) {
    int64_t width = p->columns.width, kept = p->columns.kept ? p->columns.count : width;
    *w = (work){.rows = p->rows, .width = width, .kept = kept, .removed = width - kept, .kept_list = p->columns.kept};
    size_t square = (size_t)(kept * kept), panel = (size_t)(PANEL * largest(p->rows, width));
    pare_status status = pare_alloc(&w->removed_list, (size_t)w->removed, sizeof(uint32_t), "least squares");
    if (!status) status = pare_alloc(&w->product, (size_t)(p->rows * width), sizeof(double), "least squares");
    if (!status) status = pare_alloc_uninitialized(&w->factor, square, sizeof(double), "least squares");
    if (!status)
        status = pare_alloc_uninitialized(&w->panel_gram, PANEL * (size_t)width, sizeof(double), "least squares");
    if (!status) status = pare_alloc_uninitialized(&w->panel_weights, panel, sizeof(double), "least squares");
    if (status) {
        work_free(w);
        return status;
    }
    for (int64_t column = 0, i = 0, k = 0; column < width; column++) {
        if (!w->kept_list || (k < kept && w->kept_list[k] == column))
            k++;
        else
            w->removed_list[i++] = (uint32_t)column;
    }
    return PARE_OK;
}

/* product = W_r G_r */
static void multiply_removed(const pare_least_squares *p, const float *weights, work *w) {
    pare_blas_threads();
    for (int64_t first = 0; first < w->removed; first += PANEL) {
        int64_t count = w->removed - first < PANEL ? w->removed - first : PANEL;
        const uint32_t *list = w->removed_list + first;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < w->width; j++)
                w->panel_gram[i * w->width + j] = (double)p->columns.gram[list[i] * w->width + j];
#pragma omp parallel for schedule(static)
        for (int64_t row = 0; row < w->rows; row++)
            for (int64_t i = 0; i < count; i++)
                w->panel_weights[row * count + i] = (double)weights[row * w->width + list[i]];
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)w->rows, (int)w->width, (int)count, 1.0,
                    w->panel_weights, (int)count, w->panel_gram, (int)w->width, 1.0, w->product, (int)w->width);
    }
}

/* sum |t - W_k x_k|^2 = sum |W_r x_r + r|^2 */
static double error_before(const pare_least_squares *p, const float *weights, const work *w) {
    double sum = p->residual;
    for (int64_t row = 0; row < w->rows; row++)
        for (int64_t i = 0; i < w->removed; i++) {
            int64_t at = row * w->width + w->removed_list[i];
            sum += (double)weights[at] * (w->product[at] + 2.0 * (p->cross ? (double)p->cross[at] : 0.0));
        }
    return sum;
}

/* The right-hand side: product's kept columns, plus C, moved together. */
static void gather_kept(const pare_least_squares *p, work *w) {
    for (int64_t row = 0; row < w->rows; row++)
        for (int64_t i = 0; i < w->kept; i++) {
            int64_t at = row * w->width + (w->kept_list ? w->kept_list[i] : i);
            w->product[row * w->kept + i] = w->product[at] + (p->cross ? (double)p->cross[at] : 0.0);
        }
}

/* Solves for D and adds it; returns what the error falls by: sum over D of D * right-hand side + lambda D^2. */
static double correct(work *w, double lambda, float *weights) {
    double fall = 0.0, *rows = w->panel_weights;
    for (int64_t first = 0; first < w->rows; first += PANEL) {
        int64_t count = w->rows - first < PANEL ? w->rows - first : PANEL;
        const double *side = w->product + first * w->kept;
        memcpy(rows, side, (size_t)(count * w->kept) * sizeof *rows);
        pare_cholesky_solve(w->factor, w->kept, rows, count);
        for (int64_t i = 0; i < count; i++) {
            float *row = weights + (first + i) * w->width;
            const double *d = rows + i * w->kept, *b = side + i * w->kept;
            for (int64_t k = 0; k < w->kept; k++) {
                int64_t column = w->kept_list ? w->kept_list[k] : k;
                fall += d[k] * b[k] + lambda * d[k] * d[k];
                row[column] = (float)((double)row[column] + d[k]);
            }
            for (int64_t k = 0; k < w->removed; k++)
                row[w->removed_list[k]] = 0.0f;
        }
    }
    return fall;
}

pare_status pare_least_squares_solve(const pare_least_squares *problem, float *weights, pare_fit *out) {
    work w;
    *out = (pare_fit){0};
    PARE_TRY(work_new(problem, &w));
    pare_status status = pare_cholesky_damped(&problem->columns, w.factor, &out->damping);
    if (status == PARE_OK) {
        multiply_removed(problem, weights, &w);
        out->before = error_before(problem, weights, &w);
        gather_kept(problem, &w);
        out->after = out->before - correct(&w, out->damping.lambda, weights);
        if (!isfinite(out->after))
            status = pare_fail(PARE_NUMERIC_ERROR,
                               "the weights that read %s, or their targets, hold NaN or infinity: check the model with "
                               "`pare inspect`",
                               problem->columns.what);
    }
    work_free(&w);
    return status;
}
