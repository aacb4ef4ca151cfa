/* The norm is a sum over a fixed number of pieces, whoever adds them: any number of threads gives the same bits. */
#include "support/vectorize.h"
#include "train/adamw.h"

#include <math.h>

enum { LANES = 8, PARALLEL = 65536 };
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

size_t pare_norm_piece(size_t count) {
    return (count + PARE_NORM_PIECES - 1) / PARE_NORM_PIECES;
}

void pare_norm_parts(const float *gradient, size_t count, size_t first, size_t last, double part[PARE_NORM_PIECES]) {
    size_t piece = pare_norm_piece(count);
#pragma omp parallel for schedule(static) if ((last - first) * piece > PARALLEL)
    for (size_t i = first; i < last; i++) {
        size_t begin = i * piece, left = begin < count ? count - begin : 0;
        part[i] = sum_squares(gradient + (left ? begin - first * piece : 0), left < piece ? left : piece);
    }
}

double pare_norm_of(double part[PARE_NORM_PIECES]) {
    for (size_t width = PARE_NORM_PIECES / 2; width; width /= 2)
        for (size_t i = 0; i < width; i++)
            part[i] += part[i + width];
    return sqrt(part[0]);
}

PARE_VECTORIZE static void scale_values(float *values, size_t count, float factor) {
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

void pare_norm_clip(float *gradient, size_t count, double norm, double most) {
    if (most > 0.0 && norm > most && isfinite(norm)) scale_values(gradient, count, (float)(most / (norm + NORM_GUARD)));
}

double pare_gradient_clip(float *gradient, size_t count, double most) {
    double part[PARE_NORM_PIECES];
    pare_norm_parts(gradient, count, 0, PARE_NORM_PIECES, part);
    double norm = pare_norm_of(part);
    pare_norm_clip(gradient, count, norm, most);
    return norm;
}
