/* Curves of iterations and of training. */
#include "report/page_parts.h"

#include <math.h>

/* x and y members of a list of objects, where both are numbers. */
static size_t read_points(const json_t *list, const char *x_name, const char *y_name, double *x, double *y) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *point = json_array_get(list, i);
        double at = pare_page_number(point, x_name), value = pare_page_number(point, y_name);
        if (!isfinite(at) || !isfinite(value)) continue;
        x[count] = at;
        y[count++] = value;
    }
    return count;
}

/* A list of {"step", member}, as one line. */
static void draw_list(pare_page *page, const json_t *list, const char *member, pare_chart chart) {
    size_t size = json_array_size(list);
    double *x = pare_page_numbers(page, size), *y = pare_page_numbers(page, size);
    size_t count = x && y ? read_points(list, "step", member, x, y) : 0;
    pare_chart_series series = {.name = "", .count = count, .x = x, .y = y};
    if (count) {
        chart.kind = PARE_CHART_LINES;
        chart.x = (pare_chart_axis){.label = "step", .whole = true};
        chart.series = &series;
        chart.series_count = 1;
        pare_page_chart(page, &chart);
    }
    pare_page_release(page);
}

void pare_page_traces(pare_page *page, const json_t *json) {
    const json_t *trace = pare_page_at(json, "trace"), *losses = pare_page_at(json, "training.losses"),
                 *ratios = pare_page_at(json, "training.ratios");
    if (!json_array_size(trace) && !json_array_size(losses) && !json_array_size(ratios)) return;
    pare_page_heading(page, json_array_size(trace) ? "The iteration behind the scores" : "Training while pruning");
    draw_list(page, trace, "loss",
              (pare_chart){.name = "iteration-loss",
                           .title = "Loss on the calibration text, step by step",
                           .caption = "Of the model as the iteration has it in that step.",
                           .y = {.label = "loss"}});
    draw_list(page, trace, "left",
              (pare_chart){.name = "iteration-left",
                           .title = "Share of the units that the gates leave open",
                           .caption = "Of their parameters; gates between open and closed count in part.",
                           .y = {.label = "share"}});
    draw_list(
        page, trace, "rank_correlation",
        (pare_chart){.name = "iteration-ranks",
                     .title = "How far the order of units settled",
                     .caption = "Rank correlation of the scores with those of the step before; 1: the same order.",
                     .y = {.label = "rank correlation"}});
    draw_list(page, losses, "loss",
              (pare_chart){.name = "training-loss",
                           .title = "Training loss",
                           .caption = "Of the examples of a step, while units are removed.",
                           .y = {.label = "loss"}});
    draw_list(page, ratios, "ratio",
              (pare_chart){.name = "training-ratio",
                           .title = "Share of units that are gone",
                           .caption = "As the training goes on.",
                           .y = {.label = "share"}});
}

static pare_chart_series series_of(pare_page *page, const json_t *curve, const char *member, const char *name) {
    const json_t *steps = json_object_get(curve, "step"), *values = json_object_get(curve, member);
    size_t count = json_array_size(steps) < json_array_size(values) ? json_array_size(steps) : json_array_size(values);
    double *x = pare_page_list(page, steps), *y = pare_page_list(page, values);
    size_t good = 0;
    for (size_t i = 0; x && y && i < count; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) continue;
        x[good] = x[i];
        y[good++] = y[i];
    }
    return (pare_chart_series){.name = good ? name : NULL, .count = good, .x = x, .y = y};
}

void pare_page_training(pare_page *page, const json_t *json) {
    const json_t *curve = pare_page_at(json, "curve");
    bool pictures = json_is_true(json_object_get(curve, "pictures"));
    if (!json_is_object(curve)) return;
    pare_chart_series series[] = {series_of(page, curve, "loss", "training"),
                                  series_of(page, curve, "validation", "validation")};
    if (series[0].count + series[1].count) {
        pare_page_heading(page, "Training");
        pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_LINES,
                                            .name = "training",
                                            .title = "Loss while training",
                                            .caption = "Training: mean of the steps up to a point. Validation: of "
                                                       "examples that were held out.",
                                            .x = {.label = "step", .whole = true},
                                            .y = {.label = pictures ? "loss per picture" : "loss per token"},
                                            .series = series,
                                            .series_count = 2});
    }
    pare_page_release(page);
}
