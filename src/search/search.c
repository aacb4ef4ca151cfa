#include "search/search_internal.h"
#include "select/knapsack.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

uint64_t pare_search_size(const pare_search_space *space, const uint32_t *level) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < space->count; i++)
        size += space->parts[i].size[level[i]];
    return size;
}

static uint64_t level_count(const pare_search_space *space) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < space->count; i++)
        count += space->parts[i].count;
    return count;
}

uint64_t pare_search_bytes(uint32_t parts, uint32_t levels) {
    enum { MOVE = 32 };
    uint64_t lists = 4 * parts * (sizeof(uint32_t) + sizeof(double *)), pairs = (uint64_t)parts * parts;
    return pare_knapsack_bytes(parts) + lists + 2 * (uint64_t)parts * levels * sizeof(double) + MOVE * pairs;
}

bool pare_search_goes_on(const pare_search *s) {
    return s->found.steps < s->space->steps;
}

pare_status pare_search_measure(pare_search *s, bool roughly, double *value) {
    const pare_search_space *space = s->space;
    if (space->step) PARE_TRY(space->step(space->context, s->found.steps, space->steps));
    s->found.steps++;
    PARE_TRY(space->measure(space->context, s->trial, roughly, value));
    if (isnan(*value)) *value = INFINITY;
    return PARE_OK;
}

pare_status pare_search_try(pare_search *s, double *value, bool *better) {
    PARE_TRY(pare_search_measure(s, false, value));
    *better = *value < s->value;
    if (!*better) return PARE_OK;
    s->value = *value;
    memcpy(s->level, s->trial, s->space->count * sizeof *s->level);
    return PARE_OK;
}

static uint32_t distance(uint32_t a, uint32_t b) {
    return a < b ? b - a : a - b;
}

/* trial <- the least sum of rises within the budget, no part further than `reach` levels from the origin. */
static pare_status program(const pare_search *s, uint32_t reach, bool *found) {
    const pare_search_space *space = s->space;
    pare_knapsack_list *lists;
    double *costs;
    PARE_TRY(pare_alloc(&lists, space->count, sizeof *lists, "allocations"));
    pare_status status = pare_alloc(&costs, level_count(space), sizeof *costs, "allocations");
    if (status == PARE_OK) {
        double *next = costs;
        for (uint32_t i = 0; i < space->count; i++) {
            const pare_search_part *part = &space->parts[i];
            lists[i] = (pare_knapsack_list){part->count, part->size, next};
            for (uint32_t j = 0; j < part->count; j++)
                *next++ = distance(j, s->origin[i]) <= reach ? s->rise[i][j] : INFINITY;
        }
        status = pare_knapsack_solve(lists, space->count, space->budget, s->trial, found);
        pare_free(costs);
    }
    pare_free(lists);
    return status;
}

/* The whole program, then nearer ones. */
static pare_status programs(pare_search *s, uint32_t reach, bool *better) {
    double value;
    for (; reach && pare_search_goes_on(s); reach /= 2) {
        bool found, improved;
        PARE_TRY(program(s, reach, &found));
        if (!found || !memcmp(s->trial, s->level, s->space->count * sizeof *s->trial)) continue;
        PARE_TRY(pare_search_try(s, &value, &improved));
        *better = *better || improved;
    }
    return PARE_OK;
}

enum { WHOLE = 8, NEAR = 2, IDLE = 16 };

static pare_status round_of(pare_search *s, bool near, bool *better) {
    uint32_t moved = 0;
    *better = false;
    PARE_TRY(pare_search_feel(s, near));
    PARE_TRY(programs(s, near ? NEAR : WHOLE, better));
    if (!s->found.rounds++) s->found.program = s->value;
    do {
        PARE_TRY(pare_search_move(s, &moved));
        *better = *better || moved;
    } while (moved && pare_search_goes_on(s));
    return PARE_OK;
}

static pare_status wander(pare_search *s) {
    uint32_t moved, limit = s->space->random ? s->space->steps : IDLE;
    for (uint32_t idle = 0; idle < limit && pare_search_goes_on(s); idle = moved ? 0 : idle + 1)
        PARE_TRY(pare_search_wander(s, &moved));
    s->found.end = s->value;
    return PARE_OK;
}

/* A look at the neighbours as long as that helps, then one at all levels; where neither does, moves at random. */
static pare_status search(pare_search *s) {
    bool near = false, better;
    memcpy(s->trial, s->level, s->space->count * sizeof *s->trial);
    PARE_TRY(pare_search_measure(s, false, &s->found.start));
    s->value = s->found.program = s->found.start;
    if (!isfinite(s->found.start))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the model that a search begins with has a divergence of %f "
                         "from the dense one: raise --damping, or leave out --allocate search",
                         s->found.start);
    for (bool lost = s->space->random; !lost && pare_search_goes_on(s);) {
        PARE_TRY(round_of(s, near, &better));
        lost = !near && !better;
        near = better;
    }
    return wander(s);
}

static void clear(pare_search *s) {
    for (uint32_t i = 0; s->rise && i < s->space->count; i++)
        pare_free(s->rise[i]);
    pare_free(s->rise);
    pare_free(s->trial);
    pare_free(s->origin);
}

pare_status pare_search_run(const pare_search_space *space, uint32_t *level, pare_search_found *found) {
    pare_search s = {.space = space, .level = level, .random = {.seed = space->seed}};
    pare_status status = pare_alloc(&s.trial, space->count, sizeof *s.trial, "allocations");
    if (status == PARE_OK) status = pare_alloc(&s.origin, space->count, sizeof *s.origin, "allocations");
    if (status == PARE_OK) status = pare_alloc(&s.rise, space->count, sizeof *s.rise, "sensitivities");
    for (uint32_t i = 0; i < space->count && status == PARE_OK; i++)
        status = pare_alloc(&s.rise[i], space->parts[i].count, sizeof(double), "sensitivities");
    if (status == PARE_OK) status = search(&s);
    *found = s.found;
    clear(&s);
    return status;
}
