/* Pruning little by little: how much is gone at a step (Zhu & Gupta 2017, as LoRAPrune has it), and which units go
 * next. */
#ifndef PARE_SELECT_GRADUAL_H
#define PARE_SELECT_GRADUAL_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_cubic_schedule {
    double first, last;      /* ratios */
    double warmup, cooldown; /* shares of all steps at the first and at the last ratio, together at most 1 */
    uint64_t total;          /* steps */
} pare_cubic_schedule;

/* The ratio of step `step`, from 0: first while step <= warmup total; last when step > total (1 - cooldown); in between
 *   last + (first - last) (1 - (step - warmup total) / (total (1 - warmup - cooldown)))^3 */
double pare_cubic_ratio(const pare_cubic_schedule *schedule, uint64_t step);

/* kept: [count] 1 or 0. Those with the lowest of the scores (which are not negative) become 0, until `gone` are; what
 * is 0 stays so and goes first; of equal scores the lower index goes first. Nothing changes where as many are gone. */
pare_status pare_prune_lowest(const double *scores, uint32_t count, uint32_t gone, double *kept);

/* How many are 1. */
uint32_t pare_count_kept(const double *kept, uint32_t count);

#endif
