/* What texts that a model wrote on from a prompt look like. */
#ifndef PARE_REPORT_CONTINUATIONS_H
#define PARE_REPORT_CONTINUATIONS_H

#include "support/json_build.h"

#include <stdint.h>

typedef struct pare_continuation_scores {
    uint32_t texts;          /* 0: none were written */
    uint32_t prompt, tokens; /* ids in front of each, and most ids that it is continued by */
    double
        repeated; /* mean over the texts of four tokens or more of 1 - unique 4-grams / 4-grams; NaN: none has four */
    double ended; /* share of texts that came to an end token */
} pare_continuation_scores;

/* {"texts", "prompt", "tokens", "repeated_4grams", "ended"} */
json_t *pare_report_continuations(const pare_continuation_scores *scores);

#endif
