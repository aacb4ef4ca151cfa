#include "select/swap_internal.h"
#include "support/cholesky.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>

/* Rows whose c is held at a time; rows and columns of G in one product. */
enum { BLOCK = 512, STRIP = 128, PANEL = 256, SIDES = 5 };

typedef struct row_result {
    double before, after;
    int64_t swaps;
    bool done;
} row_result;

typedef struct work {
    const float *weights;
    pare_element_mask *mask;
    swap_matrix matrix;
    float *diagonal, *reach;
    double *c;       /* [BLOCK, columns] */
    double *missing; /* [BLOCK, PANEL] delta */
    double *panel;   /* [PANEL, columns] of G */
    float *sides;    /* [threads, SIDES, columns] a row's float arrays */
    row_result *results;
} work;

static int64_t chunks_of(int64_t columns) {
    return (columns + SWAP_CHUNK - 1) / SWAP_CHUNK;
}

uint64_t pare_swap_bytes(int64_t columns, int threads) {
    uint64_t n = (uint64_t)columns, floats = n * (1 + (uint64_t)chunks_of(columns) + SIDES * (uint64_t)threads);
    return (BLOCK * n + BLOCK * PANEL + PANEL * n) * sizeof(double) + floats * sizeof(float) +
           BLOCK * sizeof(row_result);
}

static void work_free(work *w) {
    void *all[] = {w->diagonal, w->reach, w->c, w->missing, w->panel, w->sides, w->results};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}

static pare_status work_new(int64_t columns, work *w) {
    size_t n = (size_t)columns, threads = (size_t)omp_get_max_threads();
    const char *what = "swaps";
    pare_status status = pare_alloc(&w->diagonal, n, sizeof(float), what);
    if (!status) status = pare_alloc(&w->reach, n * (size_t)chunks_of(columns), sizeof(float), what);
    if (!status) status = pare_alloc_uninitialized(&w->c, BLOCK * n, sizeof(double), what);
    if (!status) status = pare_alloc_uninitialized(&w->missing, BLOCK * PANEL, sizeof(double), what);
    if (!status) status = pare_alloc_uninitialized(&w->panel, PANEL * n, sizeof(double), what);
    if (!status) status = pare_alloc_uninitialized(&w->sides, threads * SIDES * n, sizeof(float), what);
    if (!status) status = pare_alloc(&w->results, BLOCK, sizeof(row_result), what);
    return status;
}

/* False if one of the rows holds NaN or infinity: 0 times either is NaN. */
static bool all_finite(const float *values, int64_t rows, int64_t columns) {
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++) {
        const float *value = values + row * columns;
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < columns; j++)
            sum += value[j] * 0.0f;
        finite = finite && sum == 0.0f;
    }
    return finite;
}

static pare_status check(const float *weights, const float *gram, const pare_swap *options,
                         const pare_element_mask *mask) {
    if (options->cycles < 0 || options->of < 0 || (options->of && (options->keep < 0 || options->keep > options->of)))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "swaps need cycles >= 0 and a pattern N:M with 0 <= N <= M, not %d and "
                         "%lld:%lld",
                         options->cycles, (long long)options->keep, (long long)options->of);
    const char *what = !all_finite(weights, mask->rows, mask->columns)   ? "weights"
                       : !all_finite(gram, mask->columns, mask->columns) ? "Gram matrix"
                                                                         : NULL;
    if (!what) return PARE_OK;
    return pare_fail(
        PARE_NUMERIC_ERROR,
        "the %s given to the swaps hold%s NaN or infinity: check the model with `pare inspect`, or compute "
        "with --compute fp32",
        what, *what == 'G' ? "s" : "");
}

/* The largest correlation of every column with each chunk of columns, a little too large. */
static void bound_correlations(work *w) {
    const swap_matrix *m = &w->matrix;
    for (int64_t i = 0; i < m->columns; i++)
        w->diagonal[i] = fmaxf(m->gram[i * m->columns + i], 0.0f);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < m->columns; i++)
        for (int64_t k = 0; k < m->chunks; k++) {
            float most = 0.0f;
            for (int64_t j = k * SWAP_CHUNK; j < m->columns && j < (k + 1) * SWAP_CHUNK; j++) {
                float scale = sqrtf(w->diagonal[i]) * sqrtf(w->diagonal[j]);
                if (j != i && scale > 0.0f) most = fmaxf(most, fabsf(m->gram[i * m->columns + j]) / scale);
            }
            w->reach[i * m->chunks + k] = most * 1.00001f;
        }
}

/* c = delta G of `rows` rows. The products have fixed shapes and one thread each, so the bits do not depend on the
 * number of threads. */
static void start_block(work *w, int64_t first, int64_t rows) {
    int64_t columns = w->matrix.columns;
    openblas_set_num_threads(1);
    for (int64_t top = 0; top < columns; top += PANEL) {
        int64_t depth = columns - top < PANEL ? columns - top : PANEL;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < depth * columns; i++)
            w->panel[i] = (double)w->matrix.gram[top * columns + i];
#pragma omp parallel for schedule(static)
        for (int64_t strip = 0; strip < rows; strip += STRIP) {
            int64_t count = rows - strip < STRIP ? rows - strip : STRIP;
            for (int64_t i = strip; i < strip + count; i++)
                for (int64_t j = 0; j < depth; j++) {
                    bool kept = pare_element_kept(w->mask, first + i, top + j);
                    w->missing[i * PANEL + j] = kept ? 0.0 : (double)w->weights[(first + i) * columns + top + j];
                }
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, (int)columns, (int)depth, 1.0,
                        w->missing + strip * PANEL, PANEL, w->panel, (int)columns, top ? 1.0 : 0.0,
                        w->c + strip * columns, (int)columns);
        }
    }
    pare_blas_threads();
}

static double row_error(const swap_row *row) {
    double sum = 0.0;
    for (int64_t j = 0; j < row->matrix->columns; j++)
        if (row->sign[j] < 0.0f) sum += (double)row->weights[j] * row->c[j];
    return sum;
}

static void refine(swap_row *row) {
    const swap_matrix *m = row->matrix;
    swap_set set;
    pare_swap_row_refresh(row);
    for (bool cheap = !m->of; !row->done && (!m->cycles || row->swaps < m->cycles);) {
        if (cheap)
            pare_swap_set_cheapest(row, &set);
        else if (m->of)
            pare_swap_set_groups(row, &set);
        else
            pare_swap_set_scan(row, &set);
        bool swapped = set.count && pare_swap_row_solve(row, &set);
        row->done = !cheap && !swapped;
        cheap = !m->of && swapped;
    }
}

static void refine_row(work *w, int64_t at, double *c, row_result *result) {
    int64_t columns = w->matrix.columns;
    float *side = w->sides + omp_get_thread_num() * SIDES * columns;
    swap_row row = {.matrix = &w->matrix,
                    .weights = w->weights + at * columns,
                    .c = c,
                    .sign = side,
                    .out = side + columns,
                    .back = side + 2 * columns,
                    .chunk_back = side + 3 * columns,
                    .chunk_root = side + 4 * columns};
    for (int64_t j = 0; j < columns; j++)
        row.sign[j] = pare_element_kept(w->mask, at, j) ? 1.0f : -1.0f;
    result->before = row_error(&row);
    refine(&row);
    for (int64_t j = 0; j < columns; j++)
        pare_element_keep(w->mask, at, j, row.sign[j] > 0.0f);
    result->after = row_error(&row);
    result->swaps = row.swaps;
    result->done = row.done;
}

static pare_status refine_all(work *w, pare_swap_result *result) {
    bound_correlations(w);
    for (int64_t first = 0; first < w->mask->rows; first += BLOCK) {
        int64_t rows = w->mask->rows - first < BLOCK ? w->mask->rows - first : BLOCK;
        PARE_TRY(pare_interrupted());
        start_block(w, first, rows);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < rows; i++)
            refine_row(w, first + i, w->c + i * w->matrix.columns, &w->results[i]);
        for (int64_t i = 0; i < rows; i++) {
            result->before += w->results[i].before;
            result->after += w->results[i].after;
            result->swaps += w->results[i].swaps;
            result->rows_done += w->results[i].done;
        }
    }
    return PARE_OK;
}

pare_status pare_swap_refine(const float *weights, const float *gram, const pare_swap *options, pare_element_mask *mask,
                             pare_swap_result *result) {
    *result = (pare_swap_result){0};
    PARE_TRY(check(weights, gram, options, mask));
    work w = {.weights = weights, .mask = mask};
    pare_status status = work_new(mask->columns, &w);
    w.matrix = (swap_matrix){.gram = gram,
                             .diagonal = w.diagonal,
                             .reach = w.reach,
                             .columns = mask->columns,
                             .chunks = chunks_of(mask->columns),
                             .cycles = options->cycles,
                             .of = options->of};
    if (!status) status = refine_all(&w, result);
    work_free(&w);
    return status;
}
