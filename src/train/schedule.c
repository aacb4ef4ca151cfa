#include "train/adamw.h"

#include <math.h>

double pare_schedule_rate(const pare_schedule *schedule, uint64_t step) {
    if (step < schedule->warmup) return schedule->peak * (double)step / (double)schedule->warmup;
    if (step >= schedule->total) return schedule->decay ? 0.0 : schedule->peak;
    uint64_t left = schedule->total - step;
    if (left < schedule->decay && schedule->cosine)
        return schedule->peak * 0.5 * (1.0 - cos(acos(-1.0) * (double)left / (double)schedule->decay));
    return left < schedule->decay ? schedule->peak * (double)left / (double)schedule->decay : schedule->peak;
}
