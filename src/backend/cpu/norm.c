/* Norms over rows: y = (x - mean) / root weight + bias, where RMS norms have mean 0, and their backward. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

/* Sums in double: where a mean is far from zero, what is left of it shows in every element. */
PARE_VECTORIZE static double sum_of(const float *x, int64_t n) {
    double lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += (double)x[i + j];
    for (; i < n; i++)
        lanes[0] += (double)x[i];
    for (int width = PARE_LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

PARE_VECTORIZE static float sum_of_squares_around(const float *x, float mean, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (; i < n; i++)
        lanes[0] += (x[i] - mean) * (x[i] - mean);
    return pare_lanes_sum(lanes);
}

/* Of the elements where kept is 1; it is 0 elsewhere. */
PARE_VECTORIZE static float sum_of_kept_squares_around(const float *restrict x, const float *restrict kept, float mean,
                                                       int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += kept[i + j] * (x[i + j] - mean) * (x[i + j] - mean);
    for (; i < n; i++)
        lanes[0] += kept[i] * (x[i] - mean) * (x[i] - mean);
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static float sum_of_triple_products(const float *restrict a, const float *restrict b,
                                                   const float *restrict c, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += a[i + j] * b[i + j] * c[i + j];
    for (; i < n; i++)
        lanes[0] += a[i] * b[i] * c[i];
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static void scale_by_weight(float *restrict out, const float *restrict x, const float *restrict weight,
                                           float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * factor * weight[i];
}

/* out = (x - mean) * factor */
PARE_VECTORIZE static void standardize(float *restrict out, const float *restrict x, float mean, float factor,
                                       int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (x[i] - mean) * factor;
}

PARE_VECTORIZE static void multiply(float *restrict out, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] *= factors[i];
}

PARE_VECTORIZE static void add(float *restrict out, const float *restrict terms, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] += terms[i];
}

/* A row's weights or biases; NULL where there are none. */
static const float *part_of(const pare_norm *norm, const float *values, int64_t row, int64_t d) {
    return values && norm->repeat > 1 ? values + row % norm->repeat * d : values;
}

static double count_of(const pare_norm *norm, int64_t d) {
    return (double)(norm->kept ? norm->kept_count : d);
}

static float mean_of(const pare_norm *norm, const float *row, int64_t d) {
    return norm->kind == PARE_NORM_LAYER ? (float)(sum_of(row, d) / count_of(norm, d)) : 0.0f;
}

static float squares_of(const pare_norm *norm, const float *row, float mean, int64_t d) {
    if (norm->kind == PARE_NORM_RMS) return pare_cpu_dot(row, row, d);
    return norm->kept ? sum_of_kept_squares_around(row, norm->kept, mean, d) : sum_of_squares_around(row, mean, d);
}

static float inverse_of(const pare_norm *norm, const float *row, float mean, int64_t d) {
    return (float)(1.0 / sqrt((double)squares_of(norm, row, mean, d) / count_of(norm, d) + norm->eps));
}

static void forward_piece(float *piece, const float *x, const float *weight, const float *bias, float mean,
                          float inverse, int64_t n) {
    if (weight && mean == 0.0f) {
        scale_by_weight(piece, x, weight, inverse, n);
    } else {
        standardize(piece, x, mean, inverse, n);
        if (weight) multiply(piece, weight, n);
    }
    if (bias) add(piece, bias, n);
}

void pare_cpu_norm_forward(const pare_backend *backend, const pare_norm *norm, const float *x, int64_t n, int64_t d,
                           void *out, bool as_float, float *inverse) {
    pare_dtype dtype = as_float ? PARE_DTYPE_F32 : backend->operand;
    size_t size = pare_dtype_size(dtype);
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d, *weight = part_of(norm, norm->weight, t, d),
                    *bias = part_of(norm, norm->bias, t, d);
        float piece[PARE_PIECE], mean = mean_of(norm, row, d);
        inverse[t] = inverse_of(norm, row, mean, d);
        for (int64_t i = 0; i < d; i += PARE_PIECE) {
            int64_t count = d - i < PARE_PIECE ? d - i : PARE_PIECE;
            forward_piece(piece, row + i, weight ? weight + i : NULL, bias ? bias + i : NULL, mean, inverse[t], count);
            if (norm->kept) multiply(piece, norm->kept + i, count);
            pare_from_float((char *)out + (size_t)(t * d + i) * size, dtype, piece, (size_t)count);
        }
    }
}

/* dx += inverse * (dy * w - x * projection) */
PARE_VECTORIZE static void add_input_gradient(float *restrict dx, const float *restrict x, const float *restrict weight,
                                              const float *restrict dy, float inverse, float projection, int64_t d) {
    for (int64_t i = 0; i < d; i++)
        dx[i] += inverse * (dy[i] * weight[i] - x[i] * projection);
}

/* g = inverse * (g - mean_gradient - (x - mean) * projection) */
PARE_VECTORIZE static void project(float *restrict g, const float *restrict x, float inverse, float mean_gradient,
                                   float mean, float projection, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        g[i] = inverse * (g[i] - mean_gradient - (x[i] - mean) * projection);
}

/* sum of g (x - mean) */
PARE_VECTORIZE static float sum_of_products_around(const float *restrict g, const float *restrict x, float mean,
                                                   int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += g[i + j] * (x[i + j] - mean);
    for (; i < n; i++)
        lanes[0] += g[i] * (x[i] - mean);
    return pare_lanes_sum(lanes);
}

/* piece = dy * w of the n elements from i on */
static void weighted_piece(const pare_norm *norm, float *piece, const float *dy, const float *weight, int64_t i,
                           int64_t n) {
    memcpy(piece, dy + i, (size_t)n * sizeof *piece);
    if (weight) multiply(piece, weight + i, n);
    if (norm->kept) multiply(piece, norm->kept + i, n);
}

/* One row in any other way than `+=` of an RMS norm with weights. */
static void row_gradient(const pare_norm *norm, const float *x, const float *weight, float inverse, const float *dy,
                         int64_t d, float *dx, bool accumulate) {
    float piece[PARE_PIECE], mean = mean_of(norm, x, d);
    double sum = 0.0, products = 0.0; /* of g = dy w, and of g (x - mean) */
    for (int64_t i = 0; i < d; i += PARE_PIECE) {
        int64_t count = d - i < PARE_PIECE ? d - i : PARE_PIECE;
        weighted_piece(norm, piece, dy, weight, i, count);
        if (norm->kind == PARE_NORM_LAYER) sum += sum_of(piece, count);
        products += (double)sum_of_products_around(piece, x + i, mean, count);
    }
    float mean_gradient = (float)(sum / count_of(norm, d));
    float projection = (float)(products / count_of(norm, d) * (double)inverse * (double)inverse);
    for (int64_t i = 0; i < d; i += PARE_PIECE) {
        int64_t count = d - i < PARE_PIECE ? d - i : PARE_PIECE;
        weighted_piece(norm, piece, dy, weight, i, count);
        project(piece, x + i, inverse, mean_gradient, mean, projection, count);
        if (norm->kept) multiply(piece, norm->kept + i, count);
        if (accumulate)
            add(dx + i, piece, count);
        else
            memcpy(dx + i, piece, (size_t)count * sizeof *dx);
    }
}

PARE_VECTORIZE static void add_weight_gradient(double *restrict dweight, const float *restrict x,
                                               const float *restrict dy, float mean, float inverse, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        dweight[i] += (double)(dy[i] * (x[i] - mean) * inverse);
}

PARE_VECTORIZE static void add_bias_gradient(double *restrict dbias, const float *restrict dy, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        dbias[i] += (double)dy[i];
}

/* Rows [first, first + n), by column blocks, so that each sum runs over the rows in order whatever the number of
 * threads; by narrow ones where there are few columns, as in norms of single heads. means: of the rows, or NULL: zeros.
 */
static void add_parameter_gradients(const pare_norm *norm, const float *x, const float *inverse, const float *dy,
                                    const float *means, int64_t first, int64_t n, int64_t d, double *dweight,
                                    double *dbias) {
    enum { WIDE = 512, MIDDLE = 64, NARROW = 16 };
    int64_t columns = d >= 4 * WIDE ? WIDE : d >= WIDE ? MIDDLE : NARROW, parts = norm->repeat > 1 ? norm->repeat : 1;
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < d; i += columns) {
        int64_t count = d - i < columns ? d - i : columns;
        for (int64_t t = first; t < first + n; t++) {
            int64_t at = t * d + i, to = t % parts * d + i;
            float mean = means ? means[t - first] : 0.0f;
            const float *gradient = dy + at;
            float piece[WIDE];
            if (norm->kept) {
                memcpy(piece, gradient, (size_t)count * sizeof *piece);
                multiply(piece, norm->kept + i, count);
                gradient = piece;
            }
            if (dweight) add_weight_gradient(dweight + to, x + at, gradient, mean, inverse[t], count);
            if (dbias) add_bias_gradient(dbias + to, gradient, count);
        }
    }
}

static void parameter_gradients(const pare_norm *norm, const float *x, const float *inverse, const float *dy, int64_t n,
                                int64_t d, double *dweight, double *dbias) {
    enum { ROWS = 1024 };
    if (norm->kind == PARE_NORM_RMS) {
        add_parameter_gradients(norm, x, inverse, dy, NULL, 0, n, d, dweight, dbias);
        return;
    }
    for (int64_t first = 0; first < n; first += ROWS) {
        int64_t count = n - first < ROWS ? n - first : ROWS;
        float means[ROWS];
#pragma omp parallel for schedule(static) if (count * d > PARE_PARALLEL_MINIMUM)
        for (int64_t t = 0; t < count; t++)
            means[t] = mean_of(norm, x + (first + t) * d, d);
        add_parameter_gradients(norm, x, inverse, dy, means, first, count, d, dweight, dbias);
    }
}

/* dx may be dy, so what is made of dy besides comes first. */
void pare_cpu_norm_backward(const pare_backend *backend, const pare_norm *norm, const float *x, const float *inverse,
                            const float *dy, int64_t n, int64_t d, float *dx, bool accumulate, double *dweight,
                            double *dbias) {
    (void)backend;
    if (dweight || dbias) parameter_gradients(norm, x, inverse, dy, n, d, dweight, dbias);
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d, *gradient = dy + t * d, *weight = part_of(norm, norm->weight, t, d);
        if (norm->kind == PARE_NORM_LAYER || !weight || !accumulate || norm->kept) {
            row_gradient(norm, row, weight, inverse[t], gradient, d, dx + t * d, accumulate);
            continue;
        }
        double dot = (double)sum_of_triple_products(gradient, weight, row, d);
        float projection = (float)(dot / (double)d * (double)inverse[t] * (double)inverse[t]);
        add_input_gradient(dx + t * d, row, weight, gradient, inverse[t], projection, d);
    }
}
