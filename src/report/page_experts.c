/* Where tokens go: how many of the calibration text reach each expert of each layer, before and after. */
#include "report/page_parts.h"

#include <math.h>

/* One row for each layer with experts; cells of experts that are gone are left empty afterwards. */
static void draw(pare_page *page, const json_t *layers, const char *member, const char *name, const char *title) {
    size_t rows = json_array_size(layers), columns = 0;
    for (size_t i = 0; i < rows; i++) {
        size_t experts = json_array_size(json_object_get(json_array_get(layers, i), "tokens_before"));
        columns = experts > columns ? experts : columns;
    }
    double *values = pare_page_numbers(page, rows * columns);
    const char **names = pare_page_take(page, rows, sizeof *names);
    if (!values || !names || !columns) return;
    for (size_t i = 0; i < rows; i++) {
        const json_t *layer = json_array_get(layers, i), *tokens = json_object_get(layer, member);
        names[i] = pare_page_format(page, "layer %.0f", pare_page_number(layer, "layer"));
        for (size_t j = 0; j < columns; j++) {
            const json_t *count = json_array_get(tokens, j);
            values[i * columns + j] = json_is_number(count) ? json_number_value(count) : NAN;
        }
    }
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_HEAT,
                                        .name = name,
                                        .title = title,
                                        .caption = "A row is a layer, a cell one of its experts; those that are gone "
                                                   "are left empty.",
                                        .cells = {.rows = rows,
                                                  .columns = columns,
                                                  .values = values,
                                                  .row_names = names,
                                                  .label = "tokens",
                                                  .gaps = true}});
}

void pare_page_experts(pare_page *page, const json_t *json) {
    const json_t *layers = pare_page_at(json, "experts.layers");
    size_t count = json_array_size(layers);
    double sum = 0.0;
    if (!count) return;
    pare_page_heading(page, "Experts");
    for (size_t i = 0; i < count; i++)
        sum += pare_page_number(json_array_get(layers, i), "rerouted");
    if (isfinite(sum)) {
        pare_page_put(page, "<p>");
        pare_page_say(page, "%.3g %% of the choices of calibration tokens were of experts that are gone.",
                      100.0 * sum / (double)count);
        pare_page_put(page, "</p>\n");
    }
    draw(page, layers, "tokens_before", "experts-before", "Tokens that reach each expert, before");
    pare_page_release(page);
    draw(page, layers, "tokens_after", "experts-after", "Tokens that reach each expert, afterwards");
    pare_page_release(page);
}
