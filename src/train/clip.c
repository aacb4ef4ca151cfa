/* The norm is a sum over a fixed number of pieces, whoever adds them: any number of threads gives the same bits. */
#include "support/vectorize.h"
#include "train/adamw.h"

#include <math.h>

enum { PIECES = 256, LANES = 8, PARALLEL = 65536 };
static const double NORM_GUARD = 1e-6; /* torch.nn.utils.clip_grad_norm_ */

/* The sum of squares in LANES sums side by side. */
PARE_VECTORIZE static double sum_squares(const float *values, size_t n) {
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lane[j] += (double)values[i + j] * (double)values[i + j];
    for (size_t j = 0; i + j < n; j++)
        lane[j] += (double)values[i + j] * (double)values[i + j];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static double norm_of(const float *values, size_t count) {
    double part[PIECES] = {0};
    size_t piece = (count + PIECES - 1) / PIECES;
#pragma omp parallel for schedule(static) if (count > PARALLEL)
    for (size_t i = 0; i < PIECES; i++) {
        size_t first = i * piece, left = first < count ? count - first : 0;
        part[i] = sum_squares(values + (left ? first : 0), left < piece ? left : piece);
    }
    for (size_t width = PIECES / 2; width; width /= 2)
        for (size_t i = 0; i < width; i++)
            part[i] += part[i + width];
    return sqrt(part[0]);
}

PARE_VECTORIZE static void scale_values(float *values, size_t count, float factor) {
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

double pare_gradient_clip(float *gradient, size_t count, double most) {
    double norm = norm_of(gradient, count);
    if (most > 0.0 && norm > most && isfinite(norm)) scale_values(gradient, count, (float)(most / (norm + NORM_GUARD)));
    return norm;
}
