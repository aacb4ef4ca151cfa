#include "select/owl.h"
#include "support/vectorize.h"

enum { PIECE = 1 << 14, TOGETHER = 256, LANES = 16, HALVINGS = 100 };

PARE_VECTORIZE static double sum_piece(const float *x, int64_t n) {
    double lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j];
    for (; i < n; i++)
        lanes[0] += (double)x[i];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

PARE_VECTORIZE static int64_t count_piece(const float *x, int64_t n, double bound) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += (double)x[i] > bound;
    return count;
}

static int64_t piece_at(int64_t n, int64_t first) {
    return n - first < PIECE ? n - first : PIECE;
}

/* Pieces are summed on any thread and added in order. */
void pare_outliers_sum(pare_outliers *layer, const float *scores, int64_t n) {
    int64_t pieces = (n + PIECE - 1) / PIECE;
    for (int64_t first = 0; first < pieces; first += TOGETHER) {
        double sums[TOGETHER];
        int64_t some = pieces - first < TOGETHER ? pieces - first : TOGETHER;
#pragma omp parallel for schedule(static) if (some > 4)
        for (int64_t i = 0; i < some; i++)
            sums[i] = sum_piece(scores + (first + i) * PIECE, piece_at(n, (first + i) * PIECE));
        for (int64_t i = 0; i < some; i++)
            layer->sum += sums[i];
    }
    layer->count += n;
}

void pare_outliers_count(pare_outliers *layer, double times, const float *scores, int64_t n) {
    double bound = layer->count ? times * layer->sum / (double)layer->count : 0.0;
    int64_t beyond = 0;
#pragma omp parallel for schedule(static) reduction(+ : beyond) if (n > 4 * PIECE)
    for (int64_t first = 0; first < n; first += PIECE)
        beyond += count_piece(scores + first, piece_at(n, first), bound);
    layer->beyond += beyond;
}

static double clamp(double share) {
    return share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
}

static double mean_shifted(const double *share, uint32_t count, double shift) {
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        sum += clamp(share[i] + shift);
    return sum / (double)count;
}

/* Clamped, and those inside shifted alike, so that the mean is `sparsity`: it rises with the shift, from 0 to 1. */
static void clamp_all(double *share, uint32_t count, double sparsity) {
    double low = -2.0, high = 2.0;
    bool inside = true;
    for (uint32_t i = 0; i < count; i++) {
        inside = inside && share[i] >= 0.0 && share[i] <= 1.0;
        low = -1.0 - share[i] < low ? -1.0 - share[i] : low;
        high = 2.0 - share[i] > high ? 2.0 - share[i] : high;
    }
    for (int i = 0; i < HALVINGS && !inside; i++) {
        double middle = (low + high) / 2.0;
        *(mean_shifted(share, count, middle) < sparsity ? &low : &high) = middle;
    }
    for (uint32_t i = 0; i < count && !inside; i++)
        share[i] = clamp(share[i] + high);
}

void pare_owl_sparsities(const pare_outliers *layers, uint32_t count, double sparsity, double lambda, double *out) {
    double least = 1.0, most = 0.0, mean = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        out[i] = layers[i].count ? (double)layers[i].beyond / (double)layers[i].count : 0.0;
        least = out[i] < least ? out[i] : least;
        most = out[i] > most ? out[i] : most;
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = most > least ? (out[i] - least) / (most - least) * 2.0 * lambda : 0.0;
        mean += out[i] / (double)count;
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = sparsity - (out[i] - mean);
    clamp_all(out, count, sparsity);
}
