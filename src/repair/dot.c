#include "repair/dot.h"
#include "support/vectorize.h"

enum { LANES = 8 };

static double sum_of(const double lanes[LANES]) {
    double sum = 0.0;
    for (int l = 0; l < LANES; l++)
        sum += lanes[l];
    return sum;
}

PARE_VECTORIZE double pare_dot(const float *a, const float *b, int64_t n) {
    double lanes[LANES] = {0.0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] += (double)a[i + l] * (double)b[i + l];
    for (; i < n; i++)
        lanes[0] += (double)a[i] * (double)b[i];
    return sum_of(lanes);
}

PARE_VECTORIZE double pare_dot_weighted(const float *a, const float *b, int64_t n) {
    double lanes[LANES] = {0.0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] += (double)a[i + l] * (double)(b[i + l] * a[i + l]);
    for (; i < n; i++)
        lanes[0] += (double)a[i] * (double)(b[i] * a[i]);
    return sum_of(lanes);
}

double pare_dot_rows(const float *a, const float *b, int64_t rows, int64_t columns, double *sums) {
    double sum = 0.0;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        sums[row] = pare_dot(a + row * columns, b + row * columns, columns);
    for (int64_t row = 0; row < rows; row++)
        sum += sums[row];
    return sum;
}
