#include "calibrate/shrinkage.h"
#include "support/cholesky.h"

#include <cblas.h>
#include <stdbool.h>

/* The smaller of x x^T and x^T x, which have one norm, is made, some rows at a time. */
static int64_t panel_of(int64_t side) {
    return side < PARE_SPREAD_PANEL ? side : PARE_SPREAD_PANEL;
}

int64_t pare_spread_room(int64_t width) {
    return panel_of(width) * width;
}

static double sum_of_squares(const float *x, int64_t count) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* x: [length, width] */
static double squared_norm(const float *x, int64_t length, int64_t width, float *room) {
    bool by_token = length < width;
    int64_t side = by_token ? length : width, inner = by_token ? width : length;
    CBLAS_TRANSPOSE left = by_token ? CblasNoTrans : CblasTrans, right = by_token ? CblasTrans : CblasNoTrans;
    double sum = 0.0;
    for (int64_t first = 0; first < side; first += panel_of(side)) {
        int64_t count = side - first < panel_of(side) ? side - first : panel_of(side);
        cblas_sgemm(CblasRowMajor, left, right, (int)count, (int)side, (int)inner, 1.0f,
                    x + first * (by_token ? width : 1), (int)width, x, (int)width, 0.0f, room, (int)side);
        sum += sum_of_squares(room, count * side);
    }
    return sum;
}

void pare_spread_add(const float *gradient, int64_t tokens, int64_t length, int64_t width, float *room, double *sum) {
    pare_blas_threads();
    for (int64_t first = 0; first + length <= tokens; first += length)
        *sum += squared_norm(gradient + first * width, length, width, room);
}

double pare_metric_shrink(float *metric, int64_t width, int64_t sequences, double spread) {
    double trace = 0.0, square = sum_of_squares(metric, width * width), n = (double)sequences;
    for (int64_t i = 0; i < width; i++)
        trace += (double)metric[i * (width + 1)];
    double mean = trace / (double)width, distance = square - mean * trace;
    double variance = sequences > 1 ? n / (n - 1.0) * (spread - square / n) : 0.0;
    if (!(variance > 0.0 && mean > 0.0)) return 0.0;
    double share = variance < distance ? variance / distance : 1.0;
    for (int64_t i = 0; i < width * width; i++)
        metric[i] *= (float)(1.0 - share);
    for (int64_t i = 0; i < width; i++)
        metric[i * (width + 1)] += (float)(share * mean);
    return share;
}
