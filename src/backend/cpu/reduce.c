#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

PARE_VECTORIZE_RANGES float pare_cpu_dot(const float *a, const float *b, int64_t n) {
    PARE_RANGE(a, (size_t)n * sizeof *a);
    PARE_RANGE(b, (size_t)n * sizeof *b);
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        lanes[0] += a[i] * b[i];
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE_RANGES float pare_cpu_largest(const float *x, int64_t n) {
    PARE_RANGE(x, (size_t)n * sizeof *x);
    float lanes[PARE_LANES];
    for (int j = 0; j < PARE_LANES; j++)
        lanes[j] = x[0];
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++)
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    for (int j = 1; j < PARE_LANES; j++)
        lanes[0] = lanes[j] > lanes[0] ? lanes[j] : lanes[0];
    return lanes[0];
}
