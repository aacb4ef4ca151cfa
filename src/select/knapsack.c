#include "select/knapsack.h"
#include "support/memory.h"

#include <math.h>

enum { MOST_BINS = 1 << 16 };

/* Sizes are counted from the smallest of each list on, in units. */
typedef struct table {
    const pare_knapsack_list *lists;
    uint32_t count;
    uint64_t unit, bins; /* 0 .. bins - 1 units may be spent */
    double *least;       /* [bins] of the lists behind the one in hand, by what is left for them */
    double *next;        /* [bins] */
    uint8_t *choice;     /* [count, bins] */
} table;

uint64_t pare_knapsack_bytes(uint32_t lists) {
    return (uint64_t)MOST_BINS * (2 * sizeof(double) + lists);
}

static uint64_t smallest(const pare_knapsack_list *list) {
    uint64_t size = UINT64_MAX;
    for (uint32_t i = 0; i < list->count; i++)
        if (!isinf(list->cost[i]) && list->size[i] < size) size = list->size[i];
    return size;
}

static uint64_t divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Of all differences of sizes; 0: there are none. */
static uint64_t common_divisor(const pare_knapsack_list *lists, uint32_t count) {
    uint64_t common = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t least = smallest(&lists[i]);
        for (uint32_t j = 0; j < lists[i].count; j++)
            if (!isinf(lists[i].cost[j])) common = divisor(lists[i].size[j] - least, common);
    }
    return common;
}

static void measure(table *t, uint64_t range) {
    uint64_t common = common_divisor(t->lists, t->count), most = MOST_BINS - 1;
    t->unit = common ? common : 1;
    if (range / t->unit > most) t->unit = range / most + 1;
    t->bins = (common ? range / t->unit : 0) + 1;
}

/* From the last list to the first, so that the choices are read off from the first on. */
static void fill(table *t, uint32_t i) {
    const pare_knapsack_list *list = &t->lists[i];
    uint64_t least = smallest(list);
    uint8_t *choice = t->choice + i * t->bins;
    for (uint64_t b = 0; b < t->bins; b++)
        t->next[b] = INFINITY;
    for (uint32_t j = 0; j < list->count; j++) {
        if (isinf(list->cost[j])) continue;
        uint64_t units = (list->size[j] - least + t->unit - 1) / t->unit;
        for (uint64_t b = units; b < t->bins; b++) {
            double sum = t->least[b - units] + list->cost[j];
            if (!(sum < t->next[b])) continue;
            t->next[b] = sum;
            choice[b] = (uint8_t)j;
        }
    }
    double *swap = t->least;
    t->least = t->next;
    t->next = swap;
}

static void read_off(const table *t, uint32_t *chosen) {
    uint64_t left = t->bins - 1;
    for (uint32_t i = 0; i < t->count; i++) {
        const pare_knapsack_list *list = &t->lists[i];
        chosen[i] = t->choice[i * t->bins + left];
        left -= (list->size[chosen[i]] - smallest(list) + t->unit - 1) / t->unit;
    }
}

static void table_free(table *t) {
    pare_free(t->least);
    pare_free(t->next);
    pare_free(t->choice);
}

pare_status pare_knapsack_solve(const pare_knapsack_list *lists, uint32_t count, uint64_t budget, uint32_t *chosen,
                                bool *found) {
    table t = {.lists = lists, .count = count};
    uint64_t least = 0;
    for (uint32_t i = 0; i < count; i++)
        least += smallest(&lists[i]);
    *found = least <= budget;
    if (!*found) return PARE_OK;
    measure(&t, budget - least);
    pare_status status = pare_alloc(&t.least, t.bins, sizeof *t.least, "allocations");
    if (status == PARE_OK) status = pare_alloc(&t.next, t.bins, sizeof *t.next, "allocations");
    if (status == PARE_OK) status = pare_alloc(&t.choice, t.bins * count, sizeof *t.choice, "allocations");
    for (uint32_t i = count; i-- > 0 && status == PARE_OK;)
        fill(&t, i);
    if (status == PARE_OK) read_off(&t, chosen);
    table_free(&t);
    return status;
}
