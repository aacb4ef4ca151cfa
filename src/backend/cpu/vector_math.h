/* Small pieces the kernels share: a branch-free exponential, and reading and writing operand rows through fp32. */
#ifndef PARE_BACKEND_CPU_VECTOR_MATH_H
#define PARE_BACKEND_CPU_VECTOR_MATH_H

#include "support/dtype.h"
#include "support/vectorize.h"

#include <stdint.h>
#include <string.h>

/* Rows are worked on in pieces of this many elements, which stay in the first-level cache between steps. */
enum { PARE_PIECE = 1024 };

/* exp(x) with a relative error below 3e-7: 2^n times a polynomial of the 6th degree on [-ln2/2, ln2/2]. Inputs are
 * clamped to
 * [-87, 88], so results stay normal floats; a NaN stays a NaN. */
PARE_INLINE float pare_exp(float input) {
    float x = input > -87.0f ? input : -87.0f;
    x = x < 88.0f ? x : 88.0f;
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    float p = 1.0f + r * (1.0f + r * (0.5f + r * (0.166666657f + r * (0.0416667f + r * (0.00833333f + r * 0.00139f)))));
    int32_t exponent = (int32_t)n;
    uint32_t scale = (uint32_t)(exponent + 127) << 23;
    float power;
    memcpy(&power, &scale, sizeof power);
    return input == input ? p * power : input;
}

PARE_INLINE float pare_sigmoid(float x) {
    return 1.0f / (1.0f + pare_exp(-x));
}

/* Phi(x) = the normal distribution below x, and its density at x. With z = |x| and t = 1 / (1 + 0.26 z), the tail is
 * exp(-z^2/2) t p(t), p of the 8th degree. The tail is off by 1e-6 of itself and, from the rounding of z^2, by 2^-25
 * z^2 beside that. A NaN stays a NaN. */
PARE_INLINE float pare_normal_below(float x, float *density) {
    float z = x < 0.0f ? -x : x, bell = pare_exp(-0.5f * z * z), t = 1.0f / (1.0f + 0.26f * z);
    float p = 0.0497713834f +
              t * (0.164076954f + t * (-0.155744135f + t * (0.25591594f + t * (-0.155081913f + t * 0.030990839f))));
    float tail = bell * t * (0.103761271f + t * (0.102976829f + t * (0.103332803f + t * p)));
    *density = bell * 0.398942280f;
    return x < 0.0f ? tail : 1.0f - tail;
}

/* tanh(x) with a relative error below 1e-6: an odd polynomial near zero, where 1 - 2 / (exp(2x) + 1) would cancel. */
PARE_INLINE float pare_tanh(float x) {
    float size = x < 0.0f ? -x : x, square = x * x;
    float p = -0.333332559f +
              square * (0.133307471f + square * (-0.0536824512f + square * (0.0204544205f + square * -0.0055010587f)));
    float far = 1.0f - 2.0f / (pare_exp(2.0f * size) + 1.0f);
    return size < 0.65f ? x + x * square * p : x < 0.0f ? -far : far;
}

/* Sums run in this many partial sums, so that the order of additions is the same whatever the vector width. */
enum { PARE_LANES = 16 };

PARE_INLINE float pare_lanes_sum(const float lanes[PARE_LANES]) {
    float sum[PARE_LANES];
    memcpy(sum, lanes, sizeof sum);
    for (int width = PARE_LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            sum[i] += sum[i + width];
    return sum[0];
}

/* Eight numbers that are worked on at a time, whatever the vectors of the CPU hold, for loops that exchange numbers
 * between lanes: compilers do not find those by themselves. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define PARE_HAS_EIGHTS 1
#endif
#endif
#ifndef PARE_HAS_EIGHTS
#define PARE_HAS_EIGHTS 0
#endif

typedef float pare_eight __attribute__((vector_size(32)));
typedef float pare_stored_eight __attribute__((vector_size(32), aligned(4), may_alias));

PARE_INLINE const pare_stored_eight *pare_eight_at(const float *x) {
    return (const pare_stored_eight *)(const void *)x;
}

/* Loops below this many elements are not worth waking the other threads for. */
enum { PARE_PARALLEL_MINIMUM = 8192 };

#endif
