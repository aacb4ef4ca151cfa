/* Pairs of parts, of which one gets more and the other less. */
#include "search/search_internal.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, FURTHEST = 3 };

typedef struct move {
    uint32_t up, down;       /* parts */
    uint32_t up_to, down_to; /* levels */
    double promise;          /* change of the sum of rises */
} move;

static int by_promise(const void *a, const void *b) {
    const move *x = a, *y = b;
    if (x->promise < y->promise) return -1;
    if (x->promise > y->promise) return 1;
    if (x->up != y->up) return x->up < y->up ? -1 : 1;
    return x->down < y->down ? -1 : x->down > y->down;
}

static uint32_t first_part(const move *m) {
    return m->up < m->down ? m->up : m->down;
}

/* The later a move begins, the cheaper it is to measure, and the more of them share what comes before. */
static int by_first_part(const void *a, const void *b) {
    uint32_t x = first_part(a), y = first_part(b);
    return x > y ? -1 : x < y ? 1 : by_promise(a, b);
}

static double gain(const pare_search *s, uint32_t part, uint32_t to) {
    double change = s->rise[part][to] - s->rise[part][s->level[part]];
    return isfinite(change) ? change : INFINITY;
}

/* Of `up` one level more, the fewest levels that `down` must give for it; false: it has not so many. */
static bool complete(const pare_search *s, uint64_t size, move *m) {
    const pare_search_space *space = s->space;
    const pare_search_part *up = &space->parts[m->up], *down = &space->parts[m->down];
    uint64_t more = up->size[m->up_to] - up->size[s->level[m->up]];
    for (uint32_t to = s->level[m->down] + 1; to < down->count && to <= s->level[m->down] + FURTHEST; to++) {
        if (size + more > space->budget + (down->size[s->level[m->down]] - down->size[to])) continue;
        m->down_to = to;
        m->promise = gain(s, m->up, m->up_to) + gain(s, m->down, to);
        return true;
    }
    return false;
}

/* True if some part is in both. */
static bool meet(const move *a, const move *b) {
    return a->up == b->up || a->down == b->down || a->up == b->down || a->down == b->up;
}

/* The most promising moves, at most BATCH of them, each part in one alone. */
static uint32_t collect(const pare_search *s, move *all, move *best) {
    uint32_t count = s->space->count, moves = 0, chosen = 0;
    uint64_t size = pare_search_size(s->space, s->level);
    for (uint32_t up = 0; up < count; up++)
        for (uint32_t down = 0; down < count && s->level[up]; down++) {
            move m = {.up = up, .down = down, .up_to = s->level[up] - 1};
            if (up != down && complete(s, size, &m)) all[moves++] = m;
        }
    qsort(all, moves, sizeof *all, by_promise);
    for (uint32_t i = 0; i < moves && chosen < BATCH; i++) {
        bool busy = isinf(all[i].promise);
        for (uint32_t k = 0; k < chosen && !busy; k++)
            busy = meet(&best[k], &all[i]);
        if (!busy) best[chosen++] = all[i];
    }
    return chosen;
}

/* What was measured, instead of what was promised: half of the difference for each part. */
static void learn(pare_search *s, const move *m, double change) {
    double error = 0.5 * (change - m->promise);
    if (!isfinite(error)) error = fabs(m->promise) + 1.0;
    s->rise[m->up][m->up_to] += error;
    s->rise[m->down][m->down_to] += error;
}

typedef struct move_list {
    const move *list;
    uint32_t moved;
} move_list;

static bool make_move(pare_search *s, void *context, uint32_t index) {
    const move *m = &((const move_list *)context)->list[index];
    memcpy(s->trial, s->level, s->space->count * sizeof *s->trial);
    s->trial[m->up] = m->up_to;
    s->trial[m->down] = m->down_to;
    return pare_search_size(s->space, s->trial) <= s->space->budget;
}

static bool take_move(pare_search *s, void *context, uint32_t index, double value) {
    move_list *moves = context;
    double before = s->value;
    bool better = pare_search_take(s, value);
    double change = better ? value - before : 2.0 * (value - before); /* others first, before it is tried again */
    learn(s, &moves->list[index], change);
    moves->moved += better;
    s->found.moves += better;
    return better;
}

static pare_status try_all(pare_search *s, move *list, uint32_t count, uint32_t *moved) {
    move_list moves = {.list = list};
    pare_search_trials trials = {
        .count = count, .most = s->space->steps, .make = make_move, .take = take_move, .context = &moves};
    qsort(list, count, sizeof *list, by_first_part);
    pare_status status = pare_search_measure_all(s, &trials);
    *moved = moves.moved;
    return status;
}

pare_status pare_search_move(pare_search *s, uint32_t *moved) {
    move best[BATCH], *all;
    *moved = 0;
    PARE_TRY(pare_alloc(&all, (size_t)s->space->count * s->space->count + 1, sizeof *all, "moves"));
    uint32_t count = collect(s, all, best);
    pare_free(all);
    return try_all(s, best, count, moved);
}

pare_status pare_search_wander(pare_search *s, uint32_t *moved) {
    enum { TRIES = 64 };
    move list[BATCH];
    uint32_t count = 0;
    uint64_t size = pare_search_size(s->space, s->level);
    *moved = 0;
    for (int i = 0; i < TRIES && count < BATCH; i++) {
        move m = {.up = (uint32_t)pare_random_below(&s->random, s->space->count),
                  .down = (uint32_t)pare_random_below(&s->random, s->space->count)};
        if (m.up == m.down || !s->level[m.up]) continue;
        m.up_to = s->level[m.up] - 1;
        bool busy = !complete(s, size, &m);
        for (uint32_t k = 0; k < count && !busy; k++)
            busy = meet(&list[k], &m);
        if (!busy) list[count++] = m;
    }
    return try_all(s, list, count, moved);
}
