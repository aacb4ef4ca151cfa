#include "repair/least_squares.h"
#include "support/memory.h"
#include "support/peer.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Removed columns are brought to fp64 this many at a time, rows of the solution likewise. */
enum { PANEL = 256 };

/* Rows that are solved by themselves, whoever does it. */
enum { SLICES = 8, LEAST_ROWS = 32 };

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

/* Rows [first, end), what they were off by before, and by how much less. */
typedef struct slice {
    int64_t first, end;
    double before, fall;
} slice;

typedef struct slices {
    slice list[SLICES];
    int count;
    bool shared; /* slice i is that of rank i, in turns; else all are every rank's */
} slices;

static slices slices_of(const pare_least_squares *p) {
    slices s = {.count = 1, .shared = p->shared && pare_peer_count() > 1};
    while (s.count < SLICES && p->rows / (2 * s.count) >= LEAST_ROWS)
        s.count *= 2;
    for (int i = 0; i < s.count; i++)
        s.list[i] = (slice){.first = p->rows * i / s.count, .end = p->rows * (i + 1) / s.count};
    return s;
}

static int owner_of(const slices *s, int i) {
    return s->shared ? i % pare_peer_count() : pare_peer_rank();
}

/* product += W_r G_r of some of the removed columns, which lie in panel_gram */
static void multiply_slice(const float *weights, const slice *s, int64_t first, int64_t count, work *w) {
    int64_t rows = s->end - s->first;
    const uint32_t *list = w->removed_list + first;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < count; i++)
            w->panel_weights[row * count + i] = (double)weights[(s->first + row) * w->width + list[i]];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)w->width, (int)count, 1.0, w->panel_weights,
                (int)count, w->panel_gram, (int)w->width, 1.0, w->product + s->first * w->width, (int)w->width);
}

/* product = W_r G_r, of this rank's slices */
static void multiply_removed(const pare_least_squares *p, const float *weights, const slices *s, work *w) {
    pare_blas_threads();
    for (int64_t first = 0; first < w->removed; first += PANEL) {
        int64_t count = w->removed - first < PANEL ? w->removed - first : PANEL;
        const uint32_t *list = w->removed_list + first;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            for (int64_t j = 0; j < w->width; j++)
                w->panel_gram[i * w->width + j] = (double)p->columns.gram[list[i] * w->width + j];
        for (int i = 0; i < s->count; i++)
            if (owner_of(s, i) == pare_peer_rank()) multiply_slice(weights, &s->list[i], first, count, w);
    }
}

/* sum |t - W_k x_k|^2 = sum |W_r x_r + r|^2, but for the residual */
static double error_before(const pare_least_squares *p, const float *weights, const slice *s, const work *w) {
    double sum = 0.0;
    for (int64_t row = s->first; row < s->end; row++)
        for (int64_t i = 0; i < w->removed; i++) {
            int64_t at = row * w->width + w->removed_list[i];
            sum += (double)weights[at] * (w->product[at] + 2.0 * (p->cross ? (double)p->cross[at] : 0.0));
        }
    return sum;
}

/* The right-hand side: product's kept columns, plus C, moved together where the slice begins. */
static double *gather_kept(const pare_least_squares *p, const slice *s, work *w) {
    double *side = w->product + s->first * w->width;
    for (int64_t row = s->first; row < s->end; row++)
        for (int64_t i = 0; i < w->kept; i++) {
            int64_t at = row * w->width + (w->kept_list ? w->kept_list[i] : i);
            side[(row - s->first) * w->kept + i] = w->product[at] + (p->cross ? (double)p->cross[at] : 0.0);
        }
    return side;
}

/* D is added to a row; what the error falls by: sum of D * right-hand side + lambda D^2. */
static double correct_row(const work *w, double lambda, const double *d, const double *side, float *row) {
    double fall = 0.0;
    for (int64_t k = 0; k < w->kept; k++) {
        int64_t column = w->kept_list ? w->kept_list[k] : k;
        fall += d[k] * side[k] + lambda * d[k] * d[k];
        row[column] = (float)((double)row[column] + d[k]);
    }
    for (int64_t k = 0; k < w->removed; k++)
        row[w->removed_list[k]] = 0.0f;
    return fall;
}

/* Solves for D and adds it. */
static void solve_slice(const pare_least_squares *p, double lambda, float *weights, slice *s, work *w) {
    s->before = error_before(p, weights, s, w);
    const double *side = gather_kept(p, s, w);
    for (int64_t first = s->first; first < s->end; first += PANEL) {
        int64_t count = s->end - first < PANEL ? s->end - first : PANEL;
        double *rows = w->panel_weights;
        memcpy(rows, side, (size_t)(count * w->kept) * sizeof *rows);
        pare_cholesky_solve(w->factor, w->kept, rows, count);
        for (int64_t i = 0; i < count; i++, side += w->kept)
            s->fall += correct_row(w, lambda, rows + i * w->kept, side, weights + (first + i) * w->width);
    }
}

static pare_status solve_slices(const pare_least_squares *p, double lambda, float *weights, slices *s, work *w) {
    multiply_removed(p, weights, s, w);
    for (int i = 0; i < s->count; i++)
        if (owner_of(s, i) == pare_peer_rank()) solve_slice(p, lambda, weights, &s->list[i], w);
    for (int i = 0; s->shared && i < s->count; i++) {
        slice *of = &s->list[i];
        size_t elements = (size_t)((of->end - of->first) * w->width);
        PARE_TRY(pare_peer_broadcast(of, sizeof *of, owner_of(s, i)));
        PARE_TRY(pare_peer_broadcast(weights + of->first * w->width, elements * sizeof *weights, owner_of(s, i)));
    }
    return PARE_OK;
}

pare_status pare_least_squares_solve(const pare_least_squares *problem, float *weights, pare_fit *out) {
    work w;
    slices s = slices_of(problem);
    *out = (pare_fit){0};
    PARE_TRY(work_new(problem, &w));
    pare_status status = pare_cholesky_damped(&problem->columns, w.factor, &out->damping);
    if (status == PARE_OK) status = solve_slices(problem, out->damping.lambda, weights, &s, &w);
    if (status == PARE_OK) {
        out->before = problem->residual;
        for (int i = 0; i < s.count; i++)
            out->before += s.list[i].before;
        out->after = out->before;
        for (int i = 0; i < s.count; i++)
            out->after -= s.list[i].fall;
        if (!isfinite(out->after))
            status = pare_fail(PARE_NUMERIC_ERROR,
                               "the weights that read %s, or their targets, hold NaN or infinity: check the model with "
                               "`pare inspect`",
                               problem->columns.what);
    }
    work_free(&w);
    return status;
}
