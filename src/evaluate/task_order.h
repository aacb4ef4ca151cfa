/* The order in which Python's random module puts a list: which documents the harness of 2023 takes under a limit. */
#ifndef PARE_EVALUATE_TASK_ORDER_H
#define PARE_EVALUATE_TASK_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* order: what random.Random(seed).shuffle makes of [0, 1, .., count - 1]. */
void pare_python_shuffle(uint32_t seed, uint32_t *order, uint32_t count);

#endif
