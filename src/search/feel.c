/* What the whole model feels of each part alone. */
#include "search/search_internal.h"
#include "support/memory.h"

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

/* Measurements in all when this look ends: a quarter of them are left for what follows from the first. */
static uint32_t most_of(const pare_search *s) {
    return s->space->steps - s->space->steps / (s->felt ? 16 : 4);
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

/* A part alone at another level. */
typedef struct look {
    uint32_t part, level;
} look;

typedef struct looks {
    look *list; /* [count] the last parts first, and of each the smallest level */
    uint32_t count;
    double *value; /* [count] NAN: not measured */
} looks;

static bool make_look(pare_search *s, void *context, uint32_t index) {
    const look *at = &((const looks *)context)->list[index];
    memcpy(s->trial, s->origin, s->space->count * sizeof *s->trial);
    s->trial[at->part] = at->level;
    return true;
}

static bool take_look(pare_search *s, void *context, uint32_t index, double value) {
    (void)s;
    ((const looks *)context)->value[index] = value;
    return false;
}

static void list_looks(const pare_search *s, bool near, looks *out) {
    for (uint32_t i = s->space->count; i-- > 0;)
        for (uint32_t j = s->space->parts[i].count; j-- > 0;)
            if (is_measured(&s->space->parts[i], s->origin[i], j, near)) {
                out->value[out->count] = NAN;
                out->list[out->count++] = (look){i, j};
            }
}

/* The rises of a part, from what was measured of it and what was known before. */
static void fill_part(pare_search *s, uint32_t i, const ground *from, const looks *all) {
    enum { MOST = 256 };
    const pare_search_part *part = &s->space->parts[i];
    double known[MOST];
    memcpy(known, s->rise[i], part->count * sizeof *known);
    for (uint32_t j = 0; j < part->count; j++)
        s->rise[i][j] = j == s->origin[i] ? 0.0 : NAN;
    for (uint32_t k = 0; k < all->count; k++)
        if (all->list[k].part == i && !isnan(all->value[k]))
            s->rise[i][all->list[k].level] = from->scale * (all->value[k] - from->value);
    fill_between(part, s->felt ? known : NULL, s->rise[i]);
}

static pare_status find_ground(pare_search *s, ground *out) {
    *out = (ground){.value = s->value, .scale = 1.0};
    if (!s->space->rough || s->found.steps >= most_of(s)) return PARE_OK;
    PARE_TRY(pare_search_measure(s, true, &out->value));
    s->found.steps++;
    if (out->value > 0.0 && isfinite(out->value)) out->scale = s->value / out->value;
    return PARE_OK;
}

static pare_status feel(pare_search *s, bool near, looks *all) {
    ground from;
    list_looks(s, near, all);
    pare_search_trials trials = {.count = all->count,
                                 .most = most_of(s),
                                 .roughly = s->space->rough,
                                 .make = make_look,
                                 .take = take_look,
                                 .context = all};
    PARE_TRY(find_ground(s, &from));
    PARE_TRY(pare_search_measure_all(s, &trials));
    for (uint32_t i = s->space->count; i-- > 0;)
        fill_part(s, i, &from, all);
    s->felt = true;
    return PARE_OK;
}

pare_status pare_search_feel(pare_search *s, bool near) {
    size_t most = (size_t)pare_search_levels(s->space);
    looks all = {0};
    memcpy(s->origin, s->level, s->space->count * sizeof *s->origin);
    memcpy(s->trial, s->level, s->space->count * sizeof *s->trial);
    PARE_TRY(pare_alloc(&all.list, most, sizeof *all.list, "sensitivities"));
    pare_status status = pare_alloc(&all.value, most, sizeof *all.value, "sensitivities");
    if (status == PARE_OK) status = feel(s, near, &all);
    pare_free(all.value);
    pare_free(all.list);
    return status;
}
