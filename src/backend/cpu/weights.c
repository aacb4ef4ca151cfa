/* Weights on their way in, displacement on its way out: what the streamed pass does to every weight element. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"
#include "support/random.h"

#include <math.h>

PARE_VECTORIZE static void add_noise(float *restrict w, const float *restrict noise, float sigma, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        w[i] += sigma * fabsf(w[i]) * noise[i];
}

PARE_VECTORIZE static void add(float *restrict w, const float *restrict delta, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        w[i] += delta[i];
}

PARE_VECTORIZE static void multiply(float *restrict w, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        w[i] *= factors[i];
}

/* Weights are composed in pieces small enough that one is computed while the next one arrives from memory. */
enum { COMPOSE_PIECE = 256 };

static void prefetch(const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)data + i, 0, 2);
}

/* Asks for the elements from `at` on that the next piece will need; the view is read up to element `end`. */
static void prefetch_piece(const pare_weight_view *view, int64_t at, int64_t end) {
    size_t n = (size_t)(end - at < COMPOSE_PIECE ? end - at : COMPOSE_PIECE), size = pare_dtype_size(view->dtype);
    prefetch((const char *)view->stored + (size_t)at * size, n * size);
    if (view->delta) prefetch(view->delta + at, n * sizeof *view->delta);
}

PARE_VECTORIZE static void add_scaled(float *restrict sum, const float *restrict row, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        sum[i] += factor * row[i];
}

/* out = scale * sum, 0 where `stored` is 0 */
PARE_VECTORIZE static void finish_low_rank(float *restrict sum, const float *restrict stored, float scale, bool keep,
                                           int64_t n) {
    for (int64_t i = 0; i < n; i++)
        sum[i] = keep && !(fabsf(stored[i]) > 0.0f) ? 0.0f : scale * sum[i];
}

/* sum: [n] elements of the low-rank term from (row, column) on; stored: [n] the weights there. */
static void low_rank_piece(const pare_low_rank *low_rank, int64_t row, int64_t columns, int64_t column, int64_t n,
                           const float *stored, float *sum) {
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t k = 0; k < low_rank->rank; k++)
        add_scaled(sum, low_rank->a + k * columns + column, low_rank->b[row * low_rank->rank + k], n);
    finish_low_rank(sum, stored, low_rank->scale, low_rank->keep_zeros, n);
}

/* piece: elements [at, at + n) of the tensor, all inside one row. */
static void compose_piece(const pare_weight_view *view, int64_t at, int64_t columns, int64_t n, float *piece) {
    float noise[COMPOSE_PIECE], low_rank[COMPOSE_PIECE];
    int64_t column = at % columns;
    const char *stored = (const char *)view->stored + (size_t)at * pare_dtype_size(view->dtype);
    pare_to_float(piece, stored, view->dtype, (size_t)n);
    if (view->low_rank) low_rank_piece(view->low_rank, at / columns, columns, column, n, piece, low_rank);
    if (view->sigma > 0.0f) {
        pare_normal_fill(noise, view->seed, view->draw, view->tensor, (uint64_t)at, (size_t)n);
        add_noise(piece, noise, view->sigma, n);
    }
    if (view->delta) add(piece, view->delta + at, n);
    if (view->low_rank) add(piece, low_rank, n);
    if (view->column_scale) multiply(piece, view->column_scale + column, n);
}

static void compose_rows(const pare_weight_view *view, int64_t first, int64_t rows, int64_t columns, pare_dtype dtype,
                         char *out) {
    int64_t pieces = (columns + COMPOSE_PIECE - 1) / COMPOSE_PIECE, end = (first + rows) * columns;
#pragma omp parallel for schedule(static) if (rows * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t job = 0; job < rows * pieces; job++) {
        int64_t row = job / pieces, column = job % pieces * COMPOSE_PIECE, at = (first + row) * columns + column;
        int64_t count = columns - column < COMPOSE_PIECE ? columns - column : COMPOSE_PIECE;
        float piece[COMPOSE_PIECE];
        prefetch_piece(view, at + count, end);
        compose_piece(view, at, columns, count, piece);
        pare_from_float(out + (size_t)(row * columns + column) * pare_dtype_size(dtype), dtype, piece, (size_t)count);
    }
}

void pare_cpu_compose(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                      int64_t columns, void *out) {
    compose_rows(view, first, rows, columns, backend->operand, out);
}

void pare_cpu_compose_float(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                            int64_t columns, float *out) {
    (void)backend;
    compose_rows(view, first, rows, columns, PARE_DTYPE_F32, (char *)out);
}

/* next = factor * base - gamma * gradient; returns the sum of squares. */
PARE_VECTORIZE static float gradient_step(float *next, const float *base, const float *gradient, float factor,
                                          float gamma, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES) {
        float moved[PARE_LANES];
        for (int j = 0; j < PARE_LANES; j++)
            moved[j] = factor * base[i + j] - gamma * gradient[i + j];
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += moved[j] * moved[j];
        memcpy(next + i, moved, sizeof moved);
    }
    for (; i < n; i++) {
        next[i] = factor * base[i] - gamma * gradient[i];
        lanes[0] += next[i] * next[i];
    }
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static void scale(float *restrict x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

/* x = sign(x) (|x| - shrink), zero where |x| <= threshold, a NaN staying one; returns the sum of squares. */
PARE_VECTORIZE static float shrink_elements(float *restrict x, float threshold, float shrink, int64_t n) {
    float lanes[PARE_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        size = size <= threshold ? 0.0f : size - shrink;
        x[i] = size * copysignf(1.0f, x[i]);
    }
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += x[i + j] * x[i + j];
    for (; i < n; i++)
        lanes[0] += x[i] * x[i];
    return pare_lanes_sum(lanes);
}

/* Rows of norm <= threshold become zero, others, and any with a NaN, lose `shrink` of their norm. Returns the new sum
 * of squares. */
static double shrink_row(float *row, double squares, double threshold, double shrink, int64_t columns) {
    double norm = sqrt(squares);
    if (norm <= threshold) {
        memset(row, 0, (size_t)columns * sizeof *row);
        return 0.0;
    }
    double factor = 1.0 - shrink / norm;
    scale(row, (float)factor, columns);
    return squares * factor * factor;
}

/* Rows [begin, end); their sums are set, not added to. */
static pare_displacement_sums step_rows(const pare_proximal *step, int64_t begin, int64_t end, int64_t columns,
                                        const float *base, const float *gradient, float *next) {
    pare_displacement_sums sums = {0};
    for (int64_t row = begin; row < end; row++) {
        int64_t at = row * columns;
        double squares =
            (double)gradient_step(next + at, base + at, gradient + at, step->base_factor, step->gamma, columns);
        if (step->row_norms) step->row_norms[row] = (float)sqrt(squares);
        if (step->threshold > 0.0f && step->group_rows)
            squares = shrink_row(next + at, squares, (double)step->threshold, (double)step->shrink, columns);
        else if (step->threshold > 0.0f)
            squares = (double)shrink_elements(next + at, step->threshold, step->shrink, columns);
        if (step->row_squares) step->row_squares[row] = squares;
        sums.squares += squares;
        sums.zero_rows += squares == 0.0;
    }
    return sums;
}

void pare_cpu_proximal_step(const pare_backend *backend, const pare_proximal *step, int64_t rows, int64_t columns,
                            const float *base, const float *gradient, float *next, pare_displacement_sums *sums) {
    (void)backend;
    enum { PARTS = 64 };
    /* The parts do not depend on the threads, and their sums are added in order, so the result does not either. */
    pare_displacement_sums parts[PARTS];
#pragma omp parallel for schedule(static) if (rows * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < PARTS; i++)
        parts[i] = step_rows(step, i * rows / PARTS, (i + 1) * rows / PARTS, columns, base, gradient, next);
    for (int64_t i = 0; i < PARTS; i++) {
        sums->squares += parts[i].squares;
        sums->zero_rows += parts[i].zero_rows;
    }
}
