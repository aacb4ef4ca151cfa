/* Sums along a row, in PARE_LANES partial sums. */
#ifndef PARE_BACKEND_CPU_REDUCE_H
#define PARE_BACKEND_CPU_REDUCE_H

#include <stdint.h>

/* sum of a[i] b[i]; b may be a */
float pare_cpu_dot(const float *a, const float *b, int64_t n);

#endif
