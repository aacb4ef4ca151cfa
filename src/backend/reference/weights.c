/* What the pass sees of a weight, and the proximal gradient step on its displacement. */
#include "backend/reference/reference.h"
#include "support/random.h"

#include <math.h>

/* Element (row, column) of the low-rank term. */
static double low_rank_at(const pare_low_rank *low_rank, int64_t row, int64_t column, int64_t columns) {
    double sum = 0.0;
    for (int64_t k = 0; k < low_rank->rank; k++)
        sum += (double)low_rank->b[row * low_rank->rank + k] * (double)low_rank->a[k * columns + column];
    return (double)low_rank->scale * sum;
}

void pare_reference_compose_float(const pare_backend *backend, const pare_weight_view *view, int64_t first,
                                  int64_t rows, int64_t columns, float *out) {
    (void)backend;
    for (int64_t i = 0; i < rows * columns; i++) {
        int64_t at = first * columns + i;
        float stored, noise = 0.0f;
        pare_to_float(&stored, (const char *)view->stored + (size_t)at * pare_dtype_size(view->dtype), view->dtype, 1);
        if (view->sigma > 0.0f) pare_normal_fill(&noise, view->seed, view->draw, view->tensor, (uint64_t)at, 1);
        double value = (double)stored + (double)view->sigma * fabs((double)stored) * (double)noise;
        if (view->delta) value += (double)view->delta[at];
        if (view->low_rank && !(view->low_rank->keep_zeros && stored == 0.0f))
            value += low_rank_at(view->low_rank, at / columns, at % columns, columns);
        if (view->column_scale) value *= (double)view->column_scale[i % columns];
        out[i] = (float)value;
    }
}

void pare_reference_compose(const pare_backend *backend, const pare_weight_view *view, int64_t first, int64_t rows,
                            int64_t columns, void *out) {
    pare_reference_compose_float(backend, view, first, rows, columns, out);
}

/* The factor by which something of that size shrinks. */
static double shrinkage(double size, const pare_proximal *step) {
    if (step->threshold <= 0.0f) return 1.0;
    return size <= (double)step->threshold ? 0.0 : 1.0 - (double)step->shrink / size;
}

/* Row norms are taken in double before anything is rounded. */
void pare_reference_proximal_step(const pare_backend *backend, const pare_proximal *step, int64_t rows, int64_t columns,
                                  const float *base, const float *gradient, float *next, pare_displacement_sums *sums) {
    (void)backend;
    double factor = (double)step->base_factor, gamma = (double)step->gamma;
    for (int64_t row = 0; row < rows; row++) {
        int64_t begin = row * columns, end = begin + columns;
        double squares = 0.0, kept = 0.0;
        for (int64_t i = begin; i < end; i++) {
            double moved = factor * (double)base[i] - gamma * (double)gradient[i];
            squares += moved * moved;
        }
        if (step->row_norms) step->row_norms[row] = (float)sqrt(squares);
        for (int64_t i = begin; i < end; i++) {
            double moved = factor * (double)base[i] - gamma * (double)gradient[i];
            double result = moved * shrinkage(step->group_rows ? sqrt(squares) : fabs(moved), step);
            next[i] = (float)result;
            kept += result * result;
        }
        if (step->row_squares) step->row_squares[row] = kept;
        sums->squares += kept;
        sums->zero_rows += kept == 0.0;
    }
}
