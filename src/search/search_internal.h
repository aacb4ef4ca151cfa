/* What the parts of a search share: where it is, and what it knows of the neighbourhood. */
#ifndef PARE_SEARCH_SEARCH_INTERNAL_H
#define PARE_SEARCH_SEARCH_INTERNAL_H

#include "search/search.h"
#include "support/random.h"

typedef struct pare_search {
    const pare_search_space *space;
    uint32_t *level, *trial; /* [count] the best so far; what is measured next */
    uint32_t *origin;        /* [count] where rises were measured last */
    double value;            /* of `level` */
    double **rise;           /* [count][levels] what a part alone adds at each level, to what it was at `origin` */
    bool felt;               /* they were measured once */
    double *ahead;           /* [ranks] values of trials that are not taken yet */
    pare_random random;      /* of moves that nothing speaks for */
    pare_search_found found;
} pare_search;

/* trials.c, and all up to pare_search_measure_all. */

/* True while measurements are left. */
bool pare_search_goes_on(const pare_search *s);
/* The value of `trial`; INFINITY where it is not a number. roughly: if there is such a measure. It counts when it is
 * taken. */
pare_status pare_search_measure(pare_search *s, bool roughly, double *value);
/* True if the trial's value, within the budget, is less than that of `level`, which then becomes the trial. */
bool pare_search_take(pare_search *s, double value);

/* A list of trials that depend on `level` alone. */
typedef struct pare_search_trials {
    uint32_t count, most; /* most: measurements in all */
    bool roughly;
    bool (*make)(pare_search *s, void *context, uint32_t index); /* `trial` <- one of them; false: there is none */
    /* what was measured of `trial`; true: `level` is another now */
    bool (*take)(pare_search *s, void *context, uint32_t index, double value);
    void *context;
} pare_search_trials;

/* Measures them and takes them in their order, by any number of ranks as by one. */
pare_status pare_search_measure_all(pare_search *s, const pare_search_trials *trials);
/* Of all parts together. */
uint64_t pare_search_size(const pare_search_space *space, const uint32_t *level);
/* Levels of all parts. */
uint64_t pare_search_levels(const pare_search_space *space);

/* feel.c: measures each part alone, the last layers first, at its neighbouring levels; near: at those alone, else at
 * every other level, and at the ends. What lies between follows the parts' shapes, what lies beyond what was known. */
pare_status pare_search_feel(pare_search *s, bool near);

/* moves.c: tries pairs, one part to a larger level and another to a smaller one, those that promise most first; what
 * they come to corrects the rises. moved: how many were accepted of this batch. */
pare_status pare_search_move(pare_search *s, uint32_t *moved);
/* The same with a batch of pairs at random. */
pare_status pare_search_wander(pare_search *s, uint32_t *moved);

#endif
