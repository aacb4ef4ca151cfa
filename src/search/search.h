/* Which width each half of each layer gets, by what the whole model feels: the parts know a few levels each, and a
 * function measures any combination of them. In rounds:
 *
 *   sensitivities   every part alone at some of its levels, the others where they are: what the measure rises by
 *   program         the combination within the budget whose rises add up to least (select/knapsack.h); tried whole,
 *                   and with no part further than some levels from where it is, since rises only add up near by
 *   moves           one part down, another up, the most promising pairs first, which correct the rises
 *
 * Where none of these helps any more, pairs at random, as in Tyr-the-Pruner (Li et al. 2025, arXiv 2503.09657), which
 * knows no others. */
#ifndef PARE_SEARCH_SEARCH_H
#define PARE_SEARCH_SEARCH_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_search_part {
    uint32_t layer;
    uint32_t count;       /* of levels, the largest first; at most 255 */
    const uint64_t *size; /* [count] falling */
    const double *shape;  /* [count] never falling: what rises between two measured levels follow */
} pare_search_part;

typedef struct pare_search_space {
    const pare_search_part *parts; /* [count] layers never falling */
    uint32_t count;
    uint64_t budget; /* of all sizes together */
    uint32_t steps;  /* measurements at most; at least 1 */
    uint64_t seed;   /* of moves at random */
    bool random;     /* these alone, until all steps are used */
    /* of the combination level [count]; cheap where it differs from the last one measured in late layers alone.
     * roughly: on less text, for sensitivities, which are then all measured so */
    pare_status (*measure)(void *context, const uint32_t *level, bool roughly, double *value);
    bool rough; /* there is such a measure */
    /* before each of them; may be NULL */
    pare_status (*step)(void *context, uint32_t done, uint32_t total);
    void *context;
} pare_search_space;

typedef struct pare_search_found {
    double start, program, end; /* measured: where it began; after the first program; in the end */
    uint32_t steps, rounds;     /* measurements, rounds of sensitivities */
    uint32_t moves;             /* pairs that were accepted */
} pare_search_found;

/* Bytes that the search itself holds, of so many parts of so many levels at most. */
uint64_t pare_search_bytes(uint32_t parts, uint32_t levels);

/* Measurements, about: of all of the text, and of less. */
typedef struct pare_search_counts {
    uint32_t whole, rough;
} pare_search_counts;

/* What pare_search_run of such a space will measure where all of its steps are used: of a space whose parts know how
 * many levels they have, and of no function yet. */
pare_search_counts pare_search_expect(const pare_search_space *space);

/* level: [count] in, where it begins, within the budget; out, the best that was measured: never worse than that. Same
 * measures, same result. */
pare_status pare_search_run(const pare_search_space *space, uint32_t *level, pare_search_found *found);

#endif
