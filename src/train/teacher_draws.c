/* Draws out of one distribution, whose logits come tile by tile. */
#include "backend/cpu/vector_math.h"
#include "support/random.h"
#include "train/teacher_cache_internal.h"

#include <math.h>

void pare_drawing_begin(uint64_t seed, uint64_t number, pare_drawing *out) {
    pare_random random = {.seed = seed, .stream = number};
    *out = (pare_drawing){.u = pare_random_uniform(&random), .best = -INFINITY};
}

PARE_VECTORIZE static void probabilities(float *restrict out, const float *restrict x, float logsum, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = pare_exp(x[i] - logsum);
}

void pare_drawing_go_on(pare_drawing *d, const float *logits, int64_t row, int64_t rows, float logsum, uint32_t draws) {
    float p[PARE_PIECE];
    for (int64_t at = 0; at < rows; at += PARE_PIECE) {
        int64_t count = rows - at < PARE_PIECE ? rows - at : PARE_PIECE;
        const float *x = logits + at;
        probabilities(p, x, logsum, count);
        for (int64_t i = 0; i < count; i++) {
            uint32_t id = (uint32_t)(row + at + i);
            d->sum += (double)p[i];
            d->surprise += (double)p[i] * ((double)logsum - (double)x[i]);
            if (x[i] > d->best) {
                d->best = x[i];
                d->likeliest = id;
            }
            while (d->drawn < draws && d->sum * draws > (double)d->drawn + d->u)
                d->ids[d->drawn++] = id;
        }
    }
}

/* Rounding may leave the sum a little below the last draw: that one is of the likeliest id. */
static void complete(pare_drawing *d, uint32_t draws) {
    while (d->drawn < draws) {
        uint32_t at = d->drawn++;
        for (; at && d->ids[at - 1] > d->likeliest; at--)
            d->ids[at] = d->ids[at - 1];
        d->ids[at] = d->likeliest;
    }
}

static double entropy_of_draws(const pare_drawing *d, uint32_t draws) {
    double entropy = 0.0;
    for (uint32_t k = 0, next; k < draws; k = next) {
        for (next = k + 1; next < draws && d->ids[next] == d->ids[k];)
            next++;
        double share = (double)(next - k) / draws;
        entropy -= share * log(share);
    }
    return entropy;
}

void pare_drawing_end(pare_drawing *d, uint32_t vocabulary, pare_cache_record *out) {
    uint32_t draws = pare_cache_draws(vocabulary), bytes = pare_cache_id_bytes(vocabulary);
    complete(d, draws);
    *out = (pare_cache_record){.add = (float)(entropy_of_draws(d, draws) - d->surprise), .likeliest = d->likeliest};
    for (uint32_t k = 0; k < draws; k++) {
        uint16_t narrow = (uint16_t)d->ids[k];
        memcpy(out->drawn + (size_t)bytes * k, bytes == 2 ? (const void *)&narrow : &d->ids[k], bytes);
    }
}
