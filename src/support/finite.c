#include "support/finite.h"
#include "support/vectorize.h"

enum { CHUNK = 8192 };

/* 0 times NaN or infinity is NaN. */
PARE_VECTORIZE static bool chunk_finite(const float *values, int64_t n) {
    int32_t bad = 0;
    for (int64_t i = 0; i < n; i++)
        bad |= !(values[i] * 0.0f == 0.0f);
    return !bad;
}

bool pare_all_finite(const float *values, int64_t n) {
    bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (n > 8 * CHUNK)
    for (int64_t first = 0; first < n; first += CHUNK)
        finite = chunk_finite(values + first, n - first < CHUNK ? n - first : CHUNK) && finite;
    return finite;
}
