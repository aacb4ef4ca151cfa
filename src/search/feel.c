/* What the whole model feels of each part alone. */
#include "search/search_internal.h"

#include <math.h>
#include <string.h>

/* Levels of a part that are to be measured: near the origin, or every other one from there on and the ends. */
static bool is_measured(const pare_search_part *part, uint32_t origin, uint32_t j, bool near) {
    enum { FEW = 4 };
    uint32_t away = j < origin ? origin - j : j - origin;
    if (near) return away == 1;
    return away && (part->count <= FEW || away % 2 == 0 || j == 0 || j + 1 == part->count);
}

/* How far level j lies between a and b, by shape, or by size where that is flat. */
static double share_between(const pare_search_part *part, uint32_t a, uint32_t b, uint32_t j) {
    double whole = part->shape[b] - part->shape[a], size = (double)(part->size[a] - part->size[b]);
    if (whole > 0.0) return (part->shape[j] - part->shape[a]) / whole;
    return size > 0.0 ? (double)(part->size[a] - part->size[j]) / size : 0.0;
}

/* What lies beside something infinite is as bad: no difference of two infinities is a number. */
static double finite_or_worst(double rise) {
    return isfinite(rise) ? rise : INFINITY;
}

/* Measured rises stand in `rise`, NAN elsewhere; known: what was thought before, or NULL. */
static void fill_between(const pare_search_part *part, const double *known, double *rise) {
    uint32_t first = part->count, last = 0;
    for (uint32_t j = 0; j < part->count; j++)
        if (!isnan(rise[j])) {
            first = j < first ? j : first;
            last = j;
        }
    for (uint32_t j = first, before = first; j <= last; j++) {
        if (isnan(rise[j])) continue;
        for (uint32_t k = before + 1; k < j; k++)
            rise[k] = finite_or_worst(rise[before] + (rise[j] - rise[before]) * share_between(part, before, j, k));
        before = j;
    }
    for (uint32_t j = 0; j < part->count; j++) {
        uint32_t end = j < first ? first : last;
        if (j < first || j > last) rise[j] = finite_or_worst(rise[end] + (known ? known[j] - known[end] : 0.0));
    }
}

/* A quarter of the measurements are left for what follows from the first look. */
static bool may_feel(const pare_search *s) {
    return s->found.steps < s->space->steps - s->space->steps / (s->felt ? 16 : 4);
}

/* Of these, the first look has three quarters at the most, with the ground; what follows is looks at neighbours and
 * moves, three and two of five (400 steps of SmolLM2-135M: 128 of 213). */
pare_search_counts pare_search_expect(const pare_search_space *space) {
    const uint32_t steps = space->steps, most = steps - steps / 4, ground = space->rough;
    uint32_t looks = 0, start = 1;
    if (space->random) return (pare_search_counts){.whole = steps};
    for (uint32_t i = 0; i < space->count; i++)
        for (uint32_t j = 0; j < space->parts[i].count; j++)
            looks += is_measured(&space->parts[i], space->parts[i].count / 2, j, false);
    looks += ground;
    if (start + looks > most) looks = most > start ? most - start : 0;
    uint32_t rest = steps > start + looks ? steps - start - looks : 0, rough = space->rough ? looks + rest / 5 * 3 : 0;
    return (pare_search_counts){.whole = steps - rough, .rough = rough};
}

/* What rises are counted from, and how much larger they are on all of the text. */
typedef struct ground {
    double value, scale;
} ground;

static pare_status feel_part(pare_search *s, uint32_t i, const ground *from, bool near) {
    enum { MOST = 256 };
    const pare_search_part *part = &s->space->parts[i];
    uint32_t origin = s->origin[i];
    double known[MOST];
    memcpy(known, s->rise[i], part->count * sizeof *known);
    for (uint32_t j = 0; j < part->count; j++)
        s->rise[i][j] = j == origin ? 0.0 : NAN;
    for (uint32_t j = part->count; j-- > 0 && may_feel(s);) {
        double value;
        if (!is_measured(part, origin, j, near)) continue;
        s->trial[i] = j;
        PARE_TRY(pare_search_measure(s, s->space->rough, &value));
        s->rise[i][j] = from->scale * (value - from->value);
    }
    s->trial[i] = origin;
    fill_between(part, s->felt ? known : NULL, s->rise[i]);
    return PARE_OK;
}

static pare_status find_ground(pare_search *s, ground *out) {
    *out = (ground){.value = s->value, .scale = 1.0};
    if (!s->space->rough || !may_feel(s)) return PARE_OK;
    PARE_TRY(pare_search_measure(s, true, &out->value));
    if (out->value > 0.0 && isfinite(out->value)) out->scale = s->value / out->value;
    return PARE_OK;
}

pare_status pare_search_feel(pare_search *s, bool near) {
    uint32_t count = s->space->count;
    ground from;
    memcpy(s->origin, s->level, count * sizeof *s->origin);
    memcpy(s->trial, s->level, count * sizeof *s->trial);
    PARE_TRY(find_ground(s, &from));
    for (uint32_t i = count; i-- > 0;)
        PARE_TRY(feel_part(s, i, &from, near));
    s->felt = true;
    return PARE_OK;
}
