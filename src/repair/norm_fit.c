#include "repair/norm_fit.h"

void pare_norm_fit_add(const float *q, const float *p, int64_t tokens, int64_t d, double *products, double *squares) {
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < d; i++) {
            double a = (double)p[t * d + i], b = (double)q[t * d + i];
            products[i] += b * a;
            squares[i] += a * a;
        }
}

void pare_norm_fit_end(double *products, const double *squares, int64_t d) {
    for (int64_t i = 0; i < d; i++)
        products[i] = squares[i] > 0.0 ? products[i] / squares[i] : 1.0;
}
