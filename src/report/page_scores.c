/* Scores of units, layer by layer, with the cut. */
#include "report/page_parts.h"

#include <math.h>

static const struct {
    const char *member, *title, *unit;
    bool whole; /* one strip is the whole model's */
} kinds[] = {{"heads", "Scores of attention's key/value groups", "score of a key/value group", false},
             {"query_heads", "Scores of query heads", "score of a query head", false},
             {"ffn", "Scores of FFN channels", "score of an FFN channel", false},
             {"hidden", "Scores of channels of the residual stream", "score of a channel", true},
             {"experts", "Scores of experts", "score of an expert", false},
             {"expert_channels", "Scores of channels inside experts", "score of an expert's channel", false},
             {"layers", "Scores of whole layers", "score of a layer", true}};

/* Where scores are positive they may differ by much: those that are zero stand at the left edge, then. */
typedef struct scale {
    double lowest; /* that is above zero */
    double zeros;
    bool negative;
} scale;

static void look(const json_t *strip, scale *s) {
    const json_t *values = json_object_get(strip, "values");
    for (size_t i = 0; i < json_array_size(values); i++) {
        double value = pare_page_element(values, i);
        double units = pare_page_element(json_object_get(strip, "kept"), i) +
                       pare_page_element(json_object_get(strip, "removed"), i);
        if (value > 0.0) s->lowest = fmin(s->lowest, value);
        s->negative |= value < 0.0;
        if (!(value > 0.0) && !(value < 0.0) && units > 0.0) s->zeros += units;
    }
}

static bool read(pare_page *page, const json_t *strip, const scale *s, bool whole, pare_chart_strip *out) {
    const json_t *values = json_object_get(strip, "values"), *kept = json_object_get(strip, "kept"),
                 *removed = json_object_get(strip, "removed");
    size_t count = json_array_size(values);
    double layer = pare_page_number(strip, "layer"), cut = pare_page_number(strip, "cut");
    double *list = pare_page_list(page, values);
    if (json_array_size(kept) != count || json_array_size(removed) != count || !list) return false;
    for (size_t i = 0; i < count; i++)
        if (!s->negative && !(list[i] > 0.0)) list[i] = 0.5 * s->lowest;
    *out = (pare_chart_strip){.name = whole             ? "all"
                                      : isfinite(layer) ? pare_page_format(page, "layer %.0f", layer)
                                                        : "",
                              .count = count,
                              .values = list,
                              .kept = pare_page_list(page, kept),
                              .removed = pare_page_list(page, removed),
                              .cut = s->negative || cut > 0.0 ? cut : NAN};
    return out->kept && out->removed;
}

static void draw(pare_page *page, const json_t *list, size_t kind) {
    size_t count = json_array_size(list), good = 0;
    scale s = {.lowest = INFINITY};
    pare_chart_strip *strips = pare_page_take(page, count, sizeof *strips);
    if (!strips || !count) return;
    for (size_t i = 0; i < count; i++)
        look(json_array_get(list, i), &s);
    if (!isfinite(s.lowest)) s.negative = true;
    for (size_t i = 0; i < count; i++)
        good += read(page, json_array_get(list, i), &s, kinds[kind].whole, &strips[good]);
    const char *zeros = s.zeros > 0.0 && !s.negative
                            ? pare_page_format(page, " %.0f with a score of zero stand at the left edge.", s.zeros)
                            : "";
    pare_page_chart(
        page, &(pare_chart){.kind = PARE_CHART_STRIPS,
                            .name = pare_page_format(page, "scores-%s", kinds[kind].member),
                            .title = kinds[kind].title,
                            .caption = pare_page_format(page,
                                                        "Units that stay stand above a layer's line, those that go "
                                                        "below it; the higher, the more have such a score.%s",
                                                        zeros),
                            .x = {.label = kinds[kind].unit, .logarithmic = !s.negative},
                            .strips = strips,
                            .strip_count = good});
}

void pare_page_scores(pare_page *page, const json_t *json) {
    const json_t *scores = pare_page_at(json, "scores");
    bool headed = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const json_t *list = json_object_get(scores, kinds[i].member);
        if (!json_array_size(list)) continue;
        if (!headed) pare_page_heading(page, "Scores, and where the cut is");
        headed = true;
        draw(page, list, i);
        pare_page_release(page);
    }
}
