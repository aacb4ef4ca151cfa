/* Units chosen greedily, and outputs that were fitted: errors as units went, and of layers before and after. */
#include "report/page_parts.h"

#include <math.h>

enum { STAGES = 2, SHOWN = 8 };
static const char *const stages[STAGES] = {"attention", "ffn"}, *const names[STAGES] = {"attention", "FFN"};

/* What is drawn of errors before and after something: of what a member of the report says. */
typedef struct error_picture {
    const char *member, *before, *after; /* a list by layer; where a stage has the two numbers */
    const char *sides[2];                /* what their lines are called */
    const char *name, *title, *caption, *axis;
} error_picture;

static const error_picture repaired = {
    .member = "repair",
    .before = "error.before",
    .after = "error.after",
    .sides = {"cut", "repaired"},
    .name = "layer-errors",
    .title = "Error of each layer's outputs, before and after repair",
    .caption = "Squared difference from what the outputs should be, summed over all tokens of the calibration: of the "
               "matrix that was only cut, and of the one that was fitted.",
    .axis = "squared error"};

static const error_picture rebuilt = {
    .member = "reconstruction",
    .before = "before",
    .after = "after",
    .sides = {"before", "trained"},
    .name = "reconstruction",
    .title = "Error of each stage, before and after it was trained",
    .caption = "Mean squared difference from the dense model's hidden state behind the stage, relative to what the "
               "dense stage adds, of calibration sequences that were held out.",
    .axis = "relative squared error"};

/* One line; *found counts what can be drawn of it. */
static pare_chart_series error_line(pare_page *page, const json_t *list, const error_picture *picture, int stage,
                                    int after, size_t *found) {
    size_t layers = json_array_size(list);
    double *x = pare_page_numbers(page, layers), *y = pare_page_numbers(page, layers);
    if (!x || !y) return (pare_chart_series){.name = ""};
    for (size_t i = 0; i < layers; i++) {
        const json_t *fit = json_object_get(json_array_get(list, i), stages[stage]);
        x[i] = (double)i;
        y[i] = pare_page_number(fit, after ? picture->after : picture->before);
        *found += y[i] > 0.0;
    }
    return (pare_chart_series){
        .name = pare_page_format(page, "%s, %s", names[stage], picture->sides[after]), .count = layers, .x = x, .y = y};
}

/* Above the first picture, if there is one: where nothing was lost, as with gates that were closed, there is none. */
static void head(pare_page *page, bool *headed) {
    if (!*headed) pare_page_heading(page, "Choice and repair");
    *headed = true;
}

/* Stages of which nothing went, in no layer, have no errors and no lines. */
static void draw_errors(pare_page *page, const json_t *json, const error_picture *picture, bool *headed) {
    const json_t *list = pare_page_at(json, picture->member);
    pare_chart_series series[2 * STAGES];
    size_t count = 0;
    for (int stage = 0; stage < STAGES; stage++) {
        size_t found = 0;
        for (int after = 0; after < 2; after++)
            series[count + (size_t)after] = error_line(page, list, picture, stage, after, &found);
        count += found ? 2 : 0;
    }
    if (!count) return;
    head(page, headed);
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_LINES,
                                        .name = picture->name,
                                        .title = picture->title,
                                        .caption = picture->caption,
                                        .x = {.label = "layer", .whole = true},
                                        .y = {.label = picture->axis, .logarithmic = true},
                                        .series = series,
                                        .series_count = count});
}

static bool read_curve(pare_page *page, const json_t *curve, size_t layer, pare_chart_series *out) {
    const json_t *removed = json_object_get(curve, "removed"), *errors = json_object_get(curve, "error");
    double units = pare_page_number(curve, "units");
    double *x = pare_page_list(page, removed), *y = pare_page_list(page, errors);
    size_t count = json_array_size(removed);
    if (!x || !y || count < 2 || json_array_size(errors) != count || !(units > 0.0)) return false;
    for (size_t i = 0; i < count; i++)
        x[i] *= 100.0 / units;
    *out = (pare_chart_series){.name = pare_page_format(page, "layer %zu", layer), .count = count, .x = x, .y = y};
    return true;
}

/* At most eight layers, evenly: more lines cannot be told apart. */
static void draw_curves(pare_page *page, const json_t *repair, int stage, bool *headed) {
    pare_chart_series series[SHOWN];
    size_t layers = json_array_size(repair), shown = layers < SHOWN ? layers : SHOWN, good = 0;
    for (size_t i = 0; i < shown; i++) {
        size_t layer = shown > 1 ? i * (layers - 1) / (shown - 1) : 0;
        const json_t *fit = json_object_get(json_array_get(repair, layer), stages[stage]);
        good += read_curve(page, json_object_get(fit, "curve"), layer, &series[good]);
    }
    if (!good) return;
    head(page, headed);
    pare_page_chart(
        page, &(pare_chart){
                  .kind = PARE_CHART_LINES,
                  .name = pare_page_format(page, "error-curves-%s", stages[stage]),
                  .title = stage ? "What each further FFN channel costs" : "What each further key/value group costs",
                  .caption = pare_page_format(page,
                                              "Error of the output as units went one after the other, always the "
                                              "cheapest, when the others make up for it.%s",
                                              layers > shown ? " Eight layers of all." : ""),
                  .x = {.label = "% of the layer's units that are gone"},
                  .y = {.label = "error", .logarithmic = true},
                  .series = series,
                  .series_count = good});
}

void pare_page_repair(pare_page *page, const json_t *json) {
    bool headed = false;
    draw_errors(page, json, &repaired, &headed);
    pare_page_release(page);
    draw_errors(page, json, &rebuilt, &headed);
    pare_page_release(page);
    for (int stage = 0; stage < STAGES; stage++) {
        draw_curves(page, pare_page_at(json, repaired.member), stage, &headed);
        pare_page_release(page);
    }
}
