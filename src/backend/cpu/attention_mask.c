#include "backend/cpu/attention_mask.h"

#include <string.h>

static int64_t within(int64_t key, const pare_tile *t) {
    int64_t at = key - t->key;
    return at < 0 ? 0 : at > t->keys ? t->keys : at;
}

int64_t pare_attention_lowest(const pare_attention *s, int64_t position) {
    if (s->window <= 0) return 0;
    int64_t lowest = s->chunked ? position / s->window * s->window : position - s->window + 1;
    return lowest > 0 ? lowest : 0;
}

pare_tile_view pare_tile_view_of(const pare_attention *s, const pare_tile *t, int64_t pair, int64_t row) {
    int64_t token = t->query + row / s->shared, slot = token + t->shift, at = pair / s->groups * s->queries + token;
    int64_t prefix = s->prefix ? s->prefix[at] : 0, start = s->start ? s->start[at] : 0, gap = start - prefix;
    int64_t first = 0, lowest = s->window > 0 ? pare_attention_lowest(s, slot - gap) + gap : 0;
    /* Positions count without the gap, so what is too far back is so in the prefix before it is in the rest. */
    if (lowest > gap) first = lowest - gap < prefix ? lowest - gap : prefix;
    if (lowest > start) start = lowest;
    pare_tile_view seen = {.first = within(first, t),
                           .prefix = within(prefix, t),
                           .start = within(start, t),
                           .end = within(s->bidirectional ? s->keys : slot + 1, t),
                           .prefix_distance = t->key - slot + gap,
                           .distance = t->key - slot,
                           .position = slot - gap,
                           .before = t->key > (first < prefix ? first : start)};
    if (seen.prefix < seen.start) return seen;
    if (seen.prefix == t->keys) seen.distance = seen.prefix_distance;
    seen.start = seen.first;
    seen.first = seen.prefix = 0;
    return seen;
}

bool pare_tile_is_seen(const pare_attention *s, const pare_tile *t) {
    if (!s->start) return pare_attention_lowest(s, t->query + t->shift) < t->key + t->keys;
    for (int64_t pair = 0; pair < s->batch * s->groups; pair += s->groups)
        for (int64_t row = 0; row < t->queries * s->shared; row += s->shared) {
            pare_tile_view seen = pare_tile_view_of(s, t, pair, row);
            if (!pare_tile_view_empty(&seen)) return true;
        }
    return false;
}

void pare_tile_hide(float *row, const pare_tile *t, const pare_tile_view *seen) {
    memset(row, 0, (size_t)seen->first * sizeof *row);
    memset(row + seen->prefix, 0, (size_t)(seen->start - seen->prefix) * sizeof *row);
    memset(row + seen->end, 0, (size_t)(t->keys - seen->end) * sizeof *row);
}
