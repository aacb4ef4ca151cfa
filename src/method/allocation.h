/* How what goes is shared out among the matrices: a row each, with what the rest of a method asks of it. How shares are
 * found: layerwise/allocate.c, search/search.h. */
#ifndef PARE_METHOD_ALLOCATION_H
#define PARE_METHOD_ALLOCATION_H

#include <stdbool.h>

enum {
    PARE_TRAIT_OUTLIERS = 1 << 0, /* reads the norms of inputs, and spreads one share over the layers */
    PARE_TRAIT_COSTS = 1 << 1,    /* reads Gram matrices, and keeps the shares of a list or a pattern */
    PARE_TRAIT_SEARCHES = 1 << 2  /* asks the whole model, and finds widths of units, too */
};

/* enumerator, name in recipe files, traits */
#define PARE_ALLOCATIONS(ROW)                                                                                          \
    /* every matrix loses the same share */                                                                            \
    ROW(UNIFORM, "uniform", 0)                                                                                         \
    /* layers with more outliers lose less */                                                                          \
    ROW(OWL, "owl", PARE_TRAIT_OUTLIERS)                                                                               \
    /* matrices lose what costs least of all, as far as `reach` allows */                                              \
    ROW(COST, "cost", PARE_TRAIT_COSTS)                                                                                \
    /* halves of layers are cut where the whole model feels it least (search/search.h) */                              \
    ROW(SEARCH, "search", PARE_TRAIT_SEARCHES)

#define PARE_ENUMERATOR(name, text, traits) PARE_ALLOCATE_##name,
typedef enum pare_allocation { PARE_ALLOCATIONS(PARE_ENUMERATOR) PARE_ALLOCATION_COUNT } pare_allocation;
#undef PARE_ENUMERATOR

extern const char *const pare_allocation_names[]; /* NULL after the last */

/* True if it has one of these traits; the first has none. */
bool pare_allocation_has(pare_allocation allocation, unsigned traits);

#endif
