#include "support/memory.h"
#include "text/examples.h"

#include <string.h>

static size_t ids_of(const pare_examples *examples) {
    const pare_example *last = examples->count ? &examples->list[examples->count - 1] : NULL;
    return last ? last->start + last->count : 0;
}

/* What is learnt of ids behind no example's prompt is all of them. */
static void copy_learnt(const pare_examples *from, size_t ids, uint8_t *to) {
    if (from->learnt)
        memcpy(to, from->learnt, ids);
    else
        memset(to, 1, ids);
}

static pare_status join(const pare_examples *a, const pare_examples *b, pare_examples *out) {
    size_t first = ids_of(a), second = ids_of(b);
    PARE_TRY(pare_alloc_uninitialized(&out->ids, first + second, sizeof *out->ids, "token ids"));
    PARE_TRY(pare_alloc_uninitialized(&out->list, a->count + b->count, sizeof *out->list, "training examples"));
    if (a->learnt || b->learnt) {
        PARE_TRY(pare_alloc_uninitialized(&out->learnt, first + second, sizeof *out->learnt, "what is learnt"));
        copy_learnt(a, first, out->learnt);
        copy_learnt(b, second, out->learnt + first);
    }
    if (first) memcpy(out->ids, a->ids, first * sizeof *out->ids);
    if (second) memcpy(out->ids + first, b->ids, second * sizeof *out->ids);
    if (a->count) memcpy(out->list, a->list, a->count * sizeof *out->list);
    for (size_t i = 0; i < b->count; i++) {
        out->list[a->count + i] = b->list[i];
        out->list[a->count + i].start += first;
    }
    out->count = a->count + b->count;
    return PARE_OK;
}

pare_status pare_examples_append(pare_examples *to, const pare_examples *from) {
    pare_examples both = {0};
    pare_status status = join(to, from, &both);
    if (status != PARE_OK) {
        pare_examples_free(&both);
        return status;
    }
    both.shortened = to->shortened + from->shortened;
    both.dropped = to->dropped + from->dropped;
    both.malformed = to->malformed + from->malformed;
    both.formatted = to->formatted || from->formatted;
    both.odd.rows = to->odd.rows + from->odd.rows;
    both.odd.count = to->odd.count + from->odd.count;
    pare_examples_free(to);
    *to = both;
    return PARE_OK;
}
