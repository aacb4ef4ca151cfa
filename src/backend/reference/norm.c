/* Norms: y = (x - mean) / root weight + bias with root = sqrt(mean of (x - mean)^2 + eps); RMS norms have mean 0. */
#include "backend/reference/reference.h"

#include <math.h>

static bool is_part(const pare_norm *norm, int64_t i) {
    return !norm->kept || norm->kept[i] > 0.0f;
}

static double count_of(const pare_norm *norm, int64_t d) {
    return (double)(norm->kept ? norm->kept_count : d);
}

static double mean_of(const pare_norm *norm, const float *x, int64_t d) {
    double sum = 0.0;
    for (int64_t i = 0; norm->kind == PARE_NORM_LAYER && i < d; i++)
        if (is_part(norm, i)) sum += (double)x[i];
    return sum / count_of(norm, d);
}

/* Where the weights, biases and their gradients of a row begin. */
static int64_t part_of(const pare_norm *norm, int64_t row, int64_t d) {
    return norm->repeat > 1 ? row % norm->repeat * d : 0;
}

void pare_reference_norm_forward(const pare_backend *backend, const pare_norm *norm, const float *x, int64_t n,
                                 int64_t d, void *out, bool as_float, float *inverse) {
    (void)backend, (void)as_float;
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d;
        int64_t part = part_of(norm, t, d);
        double mean = mean_of(norm, row, d), squares = 0.0;
        for (int64_t i = 0; i < d; i++)
            if (is_part(norm, i)) squares += ((double)row[i] - mean) * ((double)row[i] - mean);
        double factor = 1.0 / sqrt(squares / count_of(norm, d) + norm->eps);
        for (int64_t i = 0; i < d; i++) {
            double weight = norm->weight ? (double)norm->weight[part + i] : 1.0;
            double bias = norm->bias ? (double)norm->bias[part + i] : 0.0;
            ((float *)out)[t * d + i] =
                is_part(norm, i) ? (float)(((double)row[i] - mean) * factor * weight + bias) : 0.0f;
        }
        inverse[t] = (float)factor;
    }
}

/* With z_i = r (x_i - mean), r = 1 / root, and g_i = w_i dy_i: y_i = z_i w_i + b_i, and
 *   dz_i/dx_j = r (delta_ij - [layer] 1/d - z_i z_j / d), so dx_j = r (g_j - [layer] mean(g) - z_j mean(g z)). */
void pare_reference_norm_backward(const pare_backend *backend, const pare_norm *norm, const float *x,
                                  const float *inverse, const float *dy, int64_t n, int64_t d, float *dx,
                                  bool accumulate, double *dweight, double *dbias) {
    (void)backend;
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d, *gradient = dy + t * d;
        const float *weight = norm->weight ? norm->weight + part_of(norm, t, d) : NULL;
        int64_t part = part_of(norm, t, d);
        double r = (double)inverse[t], centre = mean_of(norm, row, d), mean = 0.0, projection = 0.0;
        for (int64_t i = 0; i < d; i++) {
            double g = (double)gradient[i] * (weight ? (double)weight[i] : 1.0) / count_of(norm, d);
            if (!is_part(norm, i)) continue;
            projection += g * r * ((double)row[i] - centre);
            if (norm->kind == PARE_NORM_LAYER) mean += g;
        }
        for (int64_t i = 0; i < d; i++) {
            double z = r * ((double)row[i] - centre), dyi = (double)gradient[i];
            double change = r * (dyi * (weight ? (double)weight[i] : 1.0) - mean - z * projection);
            if (!is_part(norm, i)) change = dyi = 0.0;
            dx[t * d + i] = (float)((accumulate ? (double)dx[t * d + i] : 0.0) + change);
            if (dweight) dweight[part + i] += dyi * z;
            if (dbias) dbias[part + i] += dyi;
        }
    }
}
