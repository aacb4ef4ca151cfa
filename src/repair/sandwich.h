/* product = left matrix right in fp32, the same bits for any number of threads. left: [rows, rows], NULL: I; right:
 * [columns, columns]; matrix, product: [rows, columns], apart; middle: scratch of the same shape, unused where left is
 * NULL. */
#ifndef PARE_REPAIR_SANDWICH_H
#define PARE_REPAIR_SANDWICH_H

#include <stdint.h>

void pare_sandwich(const float *left, const float *matrix, const float *right, int64_t rows, int64_t columns,
                   float *middle, float *product);

#endif
