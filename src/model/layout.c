#include "model/layout.h"

static pare_status fail_at(const char *what, int64_t value, int64_t at, const pare_layout *layout, const char *range,
                           int64_t limit) {
    return pare_fail(PARE_BAD_ARGUMENT,
                     "token %lld of sequence %lld has %s %lld, which is not %s %lld; lay it out anew",
                     (long long)(at % layout->length), (long long)(at / layout->length), what, (long long)value, range,
                     (long long)limit);
}

pare_status pare_layout_check(const pare_layout *layout, int64_t sequences, int64_t positions, int64_t vocabulary) {
    const pare_layout *l = layout;
    for (int64_t i = 0; i < sequences * l->length; i++) {
        int64_t position = l->positions ? l->positions[i] : 0, target = l->targets ? l->targets[i] : -1;
        int64_t start = l->start ? l->start[i] : 0, shared = l->shared ? l->shared[i] : 0, token = i % l->length;
        if (position < 0 || position >= positions)
            return fail_at("the position", position, i, l, "from 0 to below", positions);
        if (start < 0 || start > token) return fail_at("the start", start, i, l, "from 0 to", token);
        if (shared < 0 || shared > start) return fail_at("the shared keys", shared, i, l, "from 0 to its start", start);
        if (target < (l->open ? PARE_TARGET_OPEN : -1) || target >= vocabulary)
            return fail_at("the target", target, i, l, "-1 or from 0 to below", vocabulary);
    }
    return PARE_OK;
}
