#include "select/gradual.h"
#include "select/select.h"
#include "support/memory.h"

#include <math.h>

double pare_cubic_ratio(const pare_cubic_schedule *s, uint64_t step) {
    double total = (double)s->total, t = (double)step, begin = s->warmup * total;
    if (t <= begin) return s->first;
    if (t > total - s->cooldown * total) return s->last;
    double left = 1.0 - (t - begin) / (total - (s->warmup + s->cooldown) * total);
    return s->last + (s->first - s->last) * left * left * left;
}

uint32_t pare_count_kept(const double *kept, uint32_t count) {
    uint32_t ones = 0;
    for (uint32_t i = 0; i < count; i++)
        ones += kept[i] > 0.0;
    return ones;
}

pare_status pare_prune_lowest(const double *scores, uint32_t count, uint32_t gone, double *kept) {
    double *ranked;
    uint32_t *highest;
    if (gone <= count - pare_count_kept(kept, count)) return PARE_OK;
    PARE_TRY(pare_alloc(&ranked, count, sizeof *ranked, "scores"));
    for (uint32_t i = 0; i < count; i++)
        ranked[i] = kept[i] > 0.0 ? scores[i] : -1.0;
    pare_status status = pare_keep_highest(ranked, count, count - gone, &highest);
    pare_free(ranked);
    PARE_TRY(status);
    for (uint32_t i = 0; i < count; i++)
        kept[i] = 0.0;
    for (uint32_t i = 0; i < count - gone; i++)
        kept[highest[i]] = 1.0;
    pare_free(highest);
    return PARE_OK;
}
