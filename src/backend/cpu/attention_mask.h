/* What the queries of a tile see of its keys. */
#ifndef PARE_BACKEND_CPU_ATTENTION_MASK_H
#define PARE_BACKEND_CPU_ATTENTION_MASK_H

#include "backend/backend.h"

/* One tile of work for all (batch, group) pairs at a time. */
typedef struct pare_tile {
    int64_t query, queries; /* first token and tokens */
    int64_t key, keys;
    int64_t shift; /* a query's own key token - its query token */
    int64_t end;   /* no query of the tile sees keys from here on */
    bool first;    /* no tile of these queries was worked on before */
} pare_tile;

/* The tile's keys that a query row sees: [first, prefix) and [start, end), 0 <= first <= prefix <= start <= end; a
 * single stretch is the second. */
typedef struct pare_tile_view {
    int64_t first, prefix, start, end;
    int64_t prefix_distance, distance; /* from the query's position to that which the tile's key 0 has in the stretch */
    int64_t position;                  /* of the query, as it counts them */
    bool before;                       /* the row sees keys of earlier tiles */
} pare_tile_view;

/* The lowest position that a query at `position` sees, as far as a window or chunks bound it. */
int64_t pare_attention_lowest(const pare_attention *shape, int64_t position);

pare_tile_view pare_tile_view_of(const pare_attention *shape, const pare_tile *tile, int64_t pair, int64_t row);
/* Some query of some sequence sees some key of the tile. */
bool pare_tile_is_seen(const pare_attention *shape, const pare_tile *tile);
/* Zeros where the row sees nothing. */
void pare_tile_hide(float *row, const pare_tile *tile, const pare_tile_view *seen);

static inline bool pare_tile_view_empty(const pare_tile_view *seen) {
    return seen->prefix == seen->first && seen->end == seen->start;
}

#endif
