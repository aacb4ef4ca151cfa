/* Where time and memory went. */
#include "report/page_parts.h"

#include <math.h>

static void draw_bars(pare_page *page, const char **names, const double *values, size_t count, pare_chart chart) {
    pare_chart_series series = {.name = "", .count = count, .y = values};
    chart.kind = PARE_CHART_BARS;
    chart.lying = true;
    chart.series = &series;
    chart.series_count = 1;
    chart.groups = names;
    chart.group_count = count;
    if (count) pare_page_chart(page, &chart);
    pare_page_release(page);
}

static void draw_time(pare_page *page, json_t *seconds) {
    size_t count = 0;
    const char **names = pare_page_take(page, json_object_size(seconds), sizeof *names), *name;
    double *values = pare_page_numbers(page, json_object_size(seconds)), total = 0.0;
    json_t *value;
    if (!names || !values) return;
    json_object_foreach(seconds, name, value) {
        if (!json_is_number(value)) continue;
        names[count] = name;
        total += values[count++] = json_number_value(value);
    }
    draw_bars(page, names, values, count,
              (pare_chart){.name = "time",
                           .title = "Where the time went",
                           .caption = pare_page_format(page, "Stages of the run, %.4g seconds in all.", total),
                           .x = {.label = "seconds"},
                           .y = {.label = NULL}});
}

static void draw_memory(pare_page *page, const json_t *memory) {
    static const struct {
        const char *member, *name;
    } parts[] = {{"anonymous_peak", "most held at a time"},
                 {"plan.weights", "weights of a block"},
                 {"plan.activations", "activations"},
                 {"plan.gradients", "gradients"},
                 {"plan.state", "state"},
                 {"plan.metrics", "metrics of outputs"},
                 {"plan.repair", "repair"},
                 {"plan.imatrix", "importance matrix"},
                 {"plan.scratch", "in a scratch file"},
                 {"plan.mapped", "weights, mapped"}};
    enum { PARTS = sizeof parts / sizeof *parts };
    const char **names = pare_page_take(page, PARTS, sizeof *names);
    double *values = pare_page_numbers(page, PARTS), limit = pare_page_number(memory, "plan.limit");
    size_t count = 0;
    if (!names || !values) return;
    for (size_t i = 0; i < PARTS; i++) {
        double bytes = pare_page_number(memory, parts[i].member);
        if (!(bytes > 0.0)) continue;
        names[count] = parts[i].name;
        values[count++] = bytes / 1e6;
    }
    const char *parts_of = limit > 0.0 ? ", and the parts that were planned" : "";
    const char *of = limit > 0.0 ? pare_page_format(page, ", within a limit of %s", pare_page_bytes(page, limit)) : "";
    draw_bars(page, names, values, count,
              (pare_chart){.name = "memory",
                           .title = "Where the memory went",
                           .caption = pare_page_format(page,
                                                       "The most that was held%s%s. Mapped "
                                                       "weights are the file itself, which the system may drop at any "
                                                       "time.",
                                                       parts_of, of),
                           .x = {.label = "MB"}});
}

void pare_page_time(pare_page *page, const json_t *json) {
    json_t *seconds = json_object_get(json, "seconds");
    const json_t *memory = pare_page_at(json, "memory");
    if (!json_object_size(seconds) && !json_is_object(memory)) return;
    pare_page_heading(page, "Time and memory");
    if (json_object_size(seconds)) draw_time(page, seconds);
    pare_page_release(page);
    if (json_is_object(memory)) draw_memory(page, memory);
    pare_page_release(page);
}
