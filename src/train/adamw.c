#include "train/adamw.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>

enum { PIECE = 16384 };

pare_status pare_adamw_new(size_t count, double beta1, double beta2, double epsilon, double decay, pare_adamw *out) {
    *out = (pare_adamw){.count = count, .beta1 = beta1, .beta2 = beta2, .epsilon = epsilon, .decay = decay};
    pare_status status = pare_alloc(&out->first, count, sizeof(float), "moments of the gradient");
    if (status == PARE_OK) status = pare_alloc(&out->second, count, sizeof(float), "moments of the gradient");
    if (status != PARE_OK) pare_adamw_free(out);
    return status;
}

void pare_adamw_free(pare_adamw *optimizer) {
    pare_free(optimizer->first);
    pare_free(optimizer->second);
    *optimizer = (pare_adamw){0};
}

/* The factors of one step, rounded to float where PyTorch does it. */
typedef struct step_factors {
    float shrink;        /* 1 - rate decay */
    float gain1;         /* 1 - b1 */
    float beta2, gain2;  /* b2, 1 - b2 */
    float root, epsilon; /* sqrt(1 - b2^t), eps */
    float size;          /* rate / (1 - b1^t) */
} step_factors;

/* m moves towards g by its share, as torch.lerp: from the nearer end. */
PARE_VECTORIZE static void update(const step_factors *f, size_t n, const float *restrict gradient,
                                  float *restrict first, float *restrict second, float *restrict value) {
    for (size_t i = 0; i < n; i++) {
        float g = gradient[i], apart = g - first[i];
        float m = f->gain1 < 0.5f ? first[i] + f->gain1 * apart : g - apart * (1.0f - f->gain1);
        float v = second[i] * f->beta2 + f->gain2 * g * g;
        first[i] = m;
        second[i] = v;
        value[i] = value[i] * f->shrink - f->size * (m / (sqrtf(v) / f->root + f->epsilon));
    }
}

void pare_adamw_step(pare_adamw *optimizer, double rate, const float *gradient, float *value) {
    optimizer->steps++;
    double t = (double)optimizer->steps;
    step_factors f = {.shrink = (float)(1.0 - rate * optimizer->decay),
                      .gain1 = (float)(1.0 - optimizer->beta1),
                      .beta2 = (float)optimizer->beta2,
                      .gain2 = (float)(1.0 - optimizer->beta2),
                      .root = (float)sqrt(1.0 - pow(optimizer->beta2, t)),
                      .epsilon = (float)optimizer->epsilon,
                      .size = (float)(rate / (1.0 - pow(optimizer->beta1, t)))};
    size_t count = optimizer->count;
#pragma omp parallel for schedule(static) if (count > 2 * PIECE)
    for (size_t i = 0; i < count; i += PIECE)
        update(&f, count - i < PIECE ? count - i : PIECE, gradient + i, optimizer->first + i, optimizer->second + i,
               value + i);
}
