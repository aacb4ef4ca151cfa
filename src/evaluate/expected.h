/* How long the stages of a run will take: their work (support/work.h) over the rates of this machine (rates.h). */
#ifndef PARE_EVALUATE_EXPECTED_H
#define PARE_EVALUATE_EXPECTED_H

#include "evaluate/rates.h"

enum { PARE_EXPECTED_MOST = 16 };

/* All zero: no stage yet. */
typedef struct pare_expected {
    const char *stages[PARE_EXPECTED_MOST]; /* as the report's seconds have them */
    pare_work work[PARE_EXPECTED_MOST];
    pare_stage_time times[PARE_EXPECTED_MOST]; /* once they are known */
    size_t count;
    int64_t written; /* as in pare_rates_request */
    bool known;
} pare_expected;

/* `times` times that work, to the stage's; stages are named in the order of the run. Nothing is no stage. */
void pare_expected_add(pare_expected *expected, const char *stage, const pare_work *work, double times);

/* Measures the machine, where there is enough to do that it matters, for sequences of this length, and fills the times.
 * limit: of memory, in bytes; 0: none set. */
pare_status pare_expected_measure(pare_expected *expected, const pare_model *model, const pare_backend *backend,
                                  int64_t length, uint64_t limit);
/* The plan's part, which points into *expected. */
void pare_expected_plan(const pare_expected *expected, pare_plan *plan);

#endif
