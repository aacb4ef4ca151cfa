/* AdamW (Loshchilov & Hutter 2019) on a flat array, as PyTorch computes it:
 *   w <- w - rate decay w;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   w <- w - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) */
#ifndef PARE_TRAIN_ADAMW_H
#define PARE_TRAIN_ADAMW_H

#include "support/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pare_adamw {
    size_t count;          /* that this process steps; of several ranks some of all */
    float *first, *second; /* [count] moments */
    uint64_t steps;        /* taken */
    double beta1, beta2, epsilon, decay;
} pare_adamw;

pare_status pare_adamw_new(size_t count, double beta1, double beta2, double epsilon, double decay, pare_adamw *out);
void pare_adamw_free(pare_adamw *optimizer);
void pare_adamw_step(pare_adamw *optimizer, double rate, const float *gradient, float *value);

/* The L2 norm in fp64, summed in a fixed order; and, if `most` > 0 and the norm is larger, gradient *= most / (norm +
 * 1e-6) (torch.nn.utils.clip_grad_norm_). Returns the norm before clipping. */
double pare_gradient_clip(float *gradient, size_t count, double most);

/* The same in parts: the sum is one of PARE_NORM_PIECES pieces of so many numbers each; sums of pieces [first, last),
 * whose numbers begin at `gradient`, into part[first..last); the norm of all of them, which are lost; and the clipping
 * of some numbers by it. */
enum { PARE_NORM_PIECES = 256 };
size_t pare_norm_piece(size_t count);
void pare_norm_parts(const float *gradient, size_t count, size_t first, size_t last, double part[PARE_NORM_PIECES]);
double pare_norm_of(double part[PARE_NORM_PIECES]);
void pare_norm_clip(float *gradient, size_t count, double norm, double most);

/* Linear warm-up over `warmup` steps, then constant until the last `decay` steps, then linearly to 0. The rate of step
 * `step`, from 0, is peak step / warmup, so that of the first one is 0, and later peak (total - step) / decay: with
 * decay = total - warmup that is transformers' get_linear_schedule_with_warmup; and with `cosine`, where the last steps
 * fall along half a cosine instead, get_cosine_schedule_with_warmup. */
typedef struct pare_schedule {
    double peak;
    uint64_t warmup, decay, total;
    bool cosine;
} pare_schedule;
double pare_schedule_rate(const pare_schedule *schedule, uint64_t step);

#endif
