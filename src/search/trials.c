/* Trials that do not depend on each other, measured by all ranks (support/peer.h), one each at a time. */
#include "search/search_internal.h"
#include "support/peer.h"

#include <math.h>
#include <string.h>

uint64_t pare_search_size(const pare_search_space *space, const uint32_t *level) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < space->count; i++)
        size += space->parts[i].size[level[i]];
    return size;
}

uint64_t pare_search_levels(const pare_search_space *space) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < space->count; i++)
        count += space->parts[i].count;
    return count;
}

bool pare_search_goes_on(const pare_search *s) {
    return s->found.steps < s->space->steps;
}

pare_status pare_search_measure(pare_search *s, bool roughly, double *value) {
    const pare_search_space *space = s->space;
    if (space->step) PARE_TRY(space->step(space->context, s->found.steps, space->steps));
    PARE_TRY(space->measure(space->context, s->trial, roughly, value));
    if (isnan(*value)) *value = INFINITY;
    return PARE_OK;
}

bool pare_search_take(pare_search *s, double value) {
    if (!(value < s->value)) return false;
    s->value = value;
    memcpy(s->level, s->trial, s->space->count * sizeof *s->level);
    return true;
}

/* s->ahead <- the values of the next trials from `at` on, as many as there are ranks; count: how many these are. */
static pare_status look_ahead(pare_search *s, const pare_search_trials *t, uint32_t at, uint32_t *count) {
    uint32_t left = t->most - s->found.steps, ranks = (uint32_t)pare_peer_count();
    *count = 0;
    for (; at < t->count && *count < ranks && *count < left; at++) {
        if (!t->make(s, t->context, at)) continue;
        double *value = &s->ahead[(*count)++];
        *value = -0.0; /* adds nothing to another rank's */
        if (*count - 1 == (uint32_t)pare_peer_rank()) PARE_TRY(pare_search_measure(s, t->roughly, value));
    }
    return pare_peer_reduce(s->ahead, *count);
}

/* Hands out what was measured, until a trial is taken: what comes behind it starts from there, and is measured anew. */
static void take(pare_search *s, const pare_search_trials *t, uint32_t count, uint32_t *at) {
    bool moved = false;
    for (uint32_t k = 0; k < count && !moved; ++*at) {
        if (!t->make(s, t->context, *at)) continue;
        s->found.steps++;
        moved = t->take(s, t->context, *at, s->ahead[k++]);
    }
}

pare_status pare_search_measure_all(pare_search *s, const pare_search_trials *t) {
    for (uint32_t at = 0, count = 1; count && at < t->count && s->found.steps < t->most;) {
        PARE_TRY(look_ahead(s, t, at, &count));
        take(s, t, count, &at);
    }
    return PARE_OK;
}
