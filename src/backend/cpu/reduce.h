/* Sums and maxima along a row, in PARE_LANES partial results. */
#ifndef PARE_BACKEND_CPU_REDUCE_H
#define PARE_BACKEND_CPU_REDUCE_H

#include <stdint.h>

/* sum of a[i] b[i]; b may be a */
float pare_cpu_dot(const float *a, const float *b, int64_t n);
/* n >= 1 */
float pare_cpu_largest(const float *x, int64_t n);

#endif
