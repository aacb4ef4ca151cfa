/* Several documents: a table with a row for each, and what perplexity each size has. */
#include "report/page_parts.h"

#include <math.h>

static const json_t *first_text(const json_t *json) {
    return json_array_get(pare_page_at(json, "texts"), 0);
}

static double perplexity_after(const json_t *json) {
    double recovered = pare_page_number(first_text(json), "recovered.perplexity");
    double after = pare_page_number(first_text(json), "after.perplexity");
    return isfinite(recovered) ? recovered : isfinite(after) ? after : pare_page_number(first_text(json), "perplexity");
}

/* The share of images that got the right label. */
static double right_after(const json_t *json) {
    double recovered = pare_page_number(json, "images.recovered.top1");
    double after = pare_page_number(json, "images.after.top1");
    return isfinite(recovered) ? recovered : isfinite(after) ? after : pare_page_number(json, "images.top1");
}

static bool has_pictures(const pare_page_document *documents, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (isfinite(right_after(documents[i].json))) return true;
    return false;
}

/* Parameters that are no zeros. */
static double parameters_after(const json_t *json) {
    double after = pare_page_number(json, "parameters.after"), zeros = pare_page_number(json, "sparsity.removed");
    return isfinite(zeros) ? after - zeros : after;
}

static const char *name_of(const json_t *json) {
    const char *name = pare_page_string(json, "output.path");
    if (!name) name = pare_page_string(json, "model.name");
    if (!name) name = pare_page_string(json, "model.path");
    if (!name) name = pare_page_string(json, "model");
    return pare_page_base(name);
}

static double total_seconds(const json_t *json) {
    json_t *seconds = json_object_get(json, "seconds"), *value;
    const char *name;
    double sum = 0.0;
    if (json_is_number(seconds)) return json_number_value(seconds);
    if (!json_object_size(seconds)) return NAN;
    json_object_foreach(seconds, name, value) sum += json_is_number(value) ? json_number_value(value) : 0.0;
    return sum;
}

static void write_row(pare_page *page, const pare_page_document *document, size_t index, bool pictures) {
    const json_t *json = document->json;
    const char *method = pare_page_string(json, "method");
    double after = parameters_after(json), before = pare_page_number(json, "parameters.before");
    pare_page_row(page);
    pare_page_cell(page, "%zu. %s", index + 1, document->name ? document->name : "");
    pare_page_cell(page, "%s", pare_page_kind_of(json)->name);
    pare_page_cell(page, "%s", name_of(json));
    pare_page_cell(page, "%s", method ? method : "");
    pare_page_cell(page, "%s", isfinite(after) ? pare_page_count(page, after) : "");
    pare_page_cell(page, "%s",
                   isfinite(after) && before > 0.0 ? pare_page_format(page, "%.3g %%", 100.0 * after / before) : "");
    pare_page_cell_number(page, pare_page_number(first_text(json), "before.perplexity"));
    pare_page_cell_number(page, perplexity_after(json));
    if (pictures) pare_page_cell_number(page, pare_page_number(json, "images.before.top1"));
    if (pictures) pare_page_cell_number(page, right_after(json));
    pare_page_cell_number(page, total_seconds(json));
    pare_page_row_end(page);
}

/* pictures: right labels in place of perplexities. */
static void draw(pare_page *page, const pare_page_document *documents, size_t count, bool pictures) {
    pare_chart_series *series = pare_page_take(page, count, sizeof *series);
    size_t points = 0;
    for (size_t i = 0; series && i < count; i++) {
        const json_t *json = documents[i].json;
        double *at = pare_page_numbers(page, 2);
        const char *method = pare_page_string(json, "method");
        double reached = pictures ? right_after(json) : perplexity_after(json);
        if (!at || !isfinite(reached) || !isfinite(parameters_after(json))) continue;
        at[0] = parameters_after(json);
        at[1] = reached;
        series[points++] =
            (pare_chart_series){.name = pare_page_format(page, "%zu. %s", i + 1, method ? method : name_of(json)),
                                .count = 1,
                                .x = &at[0],
                                .y = &at[1]};
    }
    if (points < 2) return;
    pare_page_chart(
        page, &(pare_chart){.kind = PARE_CHART_SCATTER,
                            .name = pictures ? "comparison-images" : "comparison",
                            .title = pictures ? "Right labels against what is left" : "Perplexity against what is left",
                            .caption = "Each mark is a run; parameters without those that are zero. Of "
                                       "texts, the first of each run.",
                            .x = {.label = "parameters"},
                            .y = {.label = pictures ? "right labels, share" : "perplexity", .logarithmic = !pictures},
                            .series = series,
                            .series_count = points});
}

void pare_page_compare(pare_page *page, const pare_page_document *documents, size_t count) {
    static const char *const heads[] =
        {"report", "kind",    "model", "method", "parameters left", "share", "perplexity before",
         "after",  "seconds", NULL},
                             *const with_pictures[] = {"report",
                                                       "kind",
                                                       "model",
                                                       "method",
                                                       "parameters left",
                                                       "share",
                                                       "perplexity before",
                                                       "after",
                                                       "right labels before",
                                                       "after",
                                                       "seconds",
                                                       NULL};
    bool pictures = has_pictures(documents, count);
    pare_page_table(page, pictures ? with_pictures : heads);
    for (size_t i = 0; i < count; i++)
        write_row(page, &documents[i], i, pictures);
    pare_page_table_end(page);
    draw(page, documents, count, false);
    pare_page_release(page);
    if (pictures) draw(page, documents, count, true);
    pare_page_release(page);
}
