/* Sums of products of fp32 values in double, in an order that does not depend on threads. */
#ifndef PARE_REPAIR_DOT_H
#define PARE_REPAIR_DOT_H

#include <stdint.h>

double pare_dot(const float *a, const float *b, int64_t n);
/* sum a^2 b */
double pare_dot_weighted(const float *a, const float *b, int64_t n);
/* sum a b over matrices [rows, columns]. sums: [rows], scratch. */
double pare_dot_rows(const float *a, const float *b, int64_t rows, int64_t columns, double *sums);

#endif
