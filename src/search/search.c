#include "search/search_internal.h"
#include "select/knapsack.h"
#include "support/memory.h"
#include "support/peer.h"

#include <math.h>
#include <string.h>

uint64_t pare_search_bytes(uint32_t parts, uint32_t levels) {
    enum { MOVE = 32 };
    uint64_t lists = 6 * parts * (sizeof(uint32_t) + sizeof(double *)), pairs = (uint64_t)parts * parts;
    return pare_knapsack_bytes(parts) + lists + 3 * (uint64_t)parts * levels * sizeof(double) + MOVE * pairs;
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
    pare_status status = pare_alloc(&costs, pare_search_levels(space), sizeof *costs, "allocations");
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

enum { WHOLE = 8, NEAR = 2, PROGRAMS = 4, IDLE = 16 };

typedef struct program_list {
    uint32_t *level; /* [PROGRAMS][parts] */
    bool better;
} program_list;

static bool make_program(pare_search *s, void *context, uint32_t index) {
    const program_list *list = context;
    size_t count = s->space->count;
    memcpy(s->trial, list->level + index * count, count * sizeof *s->trial);
    return memcmp(s->trial, s->level, count * sizeof *s->trial) != 0;
}

static bool take_program(pare_search *s, void *context, uint32_t index, double value) {
    program_list *list = context;
    bool better = pare_search_take(s, value);
    (void)index;
    list->better = list->better || better;
    return better;
}

/* The whole program, then nearer ones. */
static pare_status programs(pare_search *s, uint32_t reach, bool *better) {
    size_t parts = s->space->count;
    program_list list = {0};
    pare_search_trials trials = {.most = s->space->steps, .make = make_program, .take = take_program, .context = &list};
    PARE_TRY(pare_alloc(&list.level, PROGRAMS * parts, sizeof *list.level, "allocations"));
    pare_status status = PARE_OK;
    for (; reach && status == PARE_OK && pare_search_goes_on(s); reach /= 2) {
        bool found = false;
        status = program(s, reach, &found);
        if (found) memcpy(list.level + trials.count++ * parts, s->trial, parts * sizeof *s->trial);
    }
    if (status == PARE_OK) status = pare_search_measure_all(s, &trials);
    *better = *better || list.better;
    pare_free(list.level);
    return status;
}

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
    s->found.steps++;
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
    pare_free(s->ahead);
}

pare_status pare_search_run(const pare_search_space *space, uint32_t *level, pare_search_found *found) {
    pare_search s = {.space = space, .level = level, .random = {.seed = space->seed}};
    pare_status status = pare_alloc(&s.trial, space->count, sizeof *s.trial, "allocations");
    if (status == PARE_OK) status = pare_alloc(&s.origin, space->count, sizeof *s.origin, "allocations");
    if (status == PARE_OK) status = pare_alloc(&s.rise, space->count, sizeof *s.rise, "sensitivities");
    if (status == PARE_OK) status = pare_alloc(&s.ahead, (size_t)pare_peer_count(), sizeof *s.ahead, "measurements");
    for (uint32_t i = 0; i < space->count && status == PARE_OK; i++)
        status = pare_alloc(&s.rise[i], space->parts[i].count, sizeof(double), "sensitivities");
    if (status == PARE_OK) status = search(&s);
    *found = s.found;
    clear(&s);
    return status;
}
