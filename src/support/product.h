/* Products of fp32 matrices for loops that take turns with OpenMP: OpenBLAS's own threads and OpenMP's wait for work by
 * spinning, and on the same cores take them from each other. */
#ifndef PARE_SUPPORT_PRODUCT_H
#define PARE_SUPPORT_PRODUCT_H

#include <stdint.h>

/* A row-major matrix whose rows lie `stride` elements apart. */
typedef struct pare_rows {
    const float *at;
    int64_t stride;
} pare_rows;

/* c <- alpha a b + beta c, a: [m, k], b: [k, n], c: [m, n] with rows `stride` apart. In tiles of fixed size, one thread
 * each: the bits do not depend on the number of threads. */
void pare_product(int64_t m, int64_t n, int64_t k, float alpha, pare_rows a, pare_rows b, float beta, float *c,
                  int64_t stride);

#endif
