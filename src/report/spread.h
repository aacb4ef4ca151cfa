/* Mean and sample standard deviation of what was measured several times. */
#ifndef PARE_REPORT_SPREAD_H
#define PARE_REPORT_SPREAD_H

#include "support/json.h"

typedef struct pare_spread {
    double mean, sd; /* NaN: of no number; of one */
    size_t finite;   /* numbers that count; others do not */
} pare_spread;

pare_spread pare_spread_of(const double *values, size_t count);

/* {"mean", "sd"} of the finite ones of `count` numbers, null where there is none; sd null for one. left_out: how many
 * are not, where some are. */
json_t *pare_report_spread(const double *values, size_t count);

#endif
