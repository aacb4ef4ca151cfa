/* The drawing of a loss curve: the loss of every step as a pale line with its running mean over it, the validation loss
 * with its dots, and its lowest value ringed. */
#include "report/chart.h"
#include "report/curve.h"
#include "support/file.h"

#include <math.h>
#include <stdlib.h>

/* Steps below which there is no mean; an axis is logarithmic where losses fall by more than this factor. */
enum { SMOOTHED_FROM = 40 };
static const double LOGARITHMIC_FROM = 8.0;

/* One line; only what was measured. */
typedef struct line {
    double *x, *y; /* [count] */
    size_t count, lowest;
    char *name;
} line;

static bool line_new(line *out, size_t room) {
    *out = (line){.x = calloc(room + 1, sizeof *out->x), .y = calloc(room + 1, sizeof *out->y)};
    return out->x && out->y;
}

static void line_free(line *l) {
    free(l->x);
    free(l->y);
    free(l->name);
}

static void line_add(line *l, uint64_t step, double value) {
    if (!isfinite(value)) return;
    l->x[l->count] = (double)step;
    l->y[l->count] = value;
    if (value < l->y[l->lowest]) l->lowest = l->count;
    l->count++;
}

/* Mean of the finite losses of points [begin, end); NaN without any. */
static double mean_of(const pare_curve *curve, size_t begin, size_t end) {
    double sum = 0.0, count = 0.0;
    for (size_t i = begin; i < end; i++)
        if (isfinite(curve->list[i].loss)) {
            sum += curve->list[i].loss;
            count++;
        }
    return sum / count;
}

/* Means over windows of a fiftieth of the run that overlap by half; narrower ones at both ends. */
static void add_means(line *l, const pare_curve *curve) {
    size_t n = curve->count, half = n / 100 + 1;
    for (size_t centre = 0; centre < n; centre = centre + half < n || centre == n - 1 ? centre + half : n - 1)
        line_add(l, curve->list[centre].step,
                 mean_of(curve, centre < half ? 0 : centre - half, n - centre < half ? n : centre + half));
}

typedef struct lines {
    line loss, mean, validation;
} lines;

static bool lines_of(lines *all, const pare_curve *curve) {
    bool whole = line_new(&all->loss, curve->count);
    whole &= line_new(&all->mean, curve->count);
    whole &= line_new(&all->validation, curve->count);
    if (!whole) return false;
    for (size_t i = 0; i < curve->count; i++) {
        line_add(&all->loss, curve->list[i].step, curve->list[i].loss);
        line_add(&all->validation, curve->list[i].step, curve->list[i].validation);
    }
    const line *v = &all->validation;
    if (all->loss.count >= SMOOTHED_FROM) add_means(&all->mean, curve);
    if (all->loss.count) {
        all->loss.name = pare_format("training %.4g", all->loss.y[all->loss.count - 1]);
        whole = all->loss.name;
    }
    if (v->count > 1)
        all->validation.name = pare_format("validation %.4g, lowest %.4g at step %.0f", v->y[v->count - 1],
                                           v->y[v->lowest], v->x[v->lowest]);
    else if (v->count)
        all->validation.name = pare_format("validation %.4g", v->y[0]);
    return whole && (!v->count || all->validation.name);
}

static bool falls_far(const lines *all) {
    double low = INFINITY, high = -INFINITY;
    const line *both[] = {&all->loss, &all->validation};
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < both[l]->count; i++) {
            low = fmin(low, both[l]->y[i]);
            high = fmax(high, both[l]->y[i]);
        }
    return low > 0.0 && high > LOGARITHMIC_FROM * low;
}

static pare_chart_series series_of(const line *l, const char *name, pare_chart_look look, unsigned colour) {
    return (pare_chart_series){.name = name, .count = l->count, .x = l->x, .y = l->y, .look = look, .colour = colour};
}

static char *draw(const lines *all, bool pictures, const char *title) {
    const line *v = &all->validation;
    line best = {.x = v->x + v->lowest, .y = v->y + v->lowest, .count = v->count ? 1 : 0};
    bool smoothed = all->mean.count > 0;
    pare_chart_series series[] = {
        series_of(&all->loss, smoothed ? NULL : all->loss.name, smoothed ? PARE_LOOK_FAINT : PARE_LOOK_LINE, 1),
        series_of(&all->mean, all->loss.name, PARE_LOOK_LINE, 1),
        series_of(v, v->name, PARE_LOOK_LINE, 2),
        series_of(&best, NULL, PARE_LOOK_RING, 2),
    };
    if (!smoothed) series[1].name = NULL;
    return pare_chart_svg(
        &(pare_chart){.kind = PARE_CHART_LINES,
                      .name = "loss",
                      .title = title && *title ? title : "Loss",
                      .x = {.label = "step", .whole = true},
                      .y = {.label = pictures ? "loss per picture" : "loss per token", .logarithmic = falls_far(all)},
                      .series = series,
                      .series_count = sizeof series / sizeof *series});
}

char *pare_curve_svg(const pare_curve *curve, const char *title) {
    lines all = {0};
    char *svg = lines_of(&all, curve) ? draw(&all, curve->pictures, title) : NULL;
    line_free(&all.loss);
    line_free(&all.mean);
    line_free(&all.validation);
    return svg;
}
