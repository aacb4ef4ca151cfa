/* Widths of layers: what stayed, and what went. */
#include "report/page_parts.h"

#include <math.h>

/* Of the layers: kept, and removed where it is known what was there. */
typedef struct widths {
    size_t layers;
    double *kept, *removed;
    const char **names;
    bool changed, removed_known;
} widths;

/* How many are kept: of experts, which have a list each, of one. */
static double kept_of(const json_t *list) {
    const json_t *first = json_array_get(list, 0);
    return (double)json_array_size(json_is_array(first) ? first : list);
}

static bool read(pare_page *page, const json_t *json, const char *kept_name, const char *before_name, widths *w) {
    const json_t *layers = pare_page_at(json, "layers"), *before = pare_page_at(json, "model.layers");
    size_t count = json_array_size(layers);
    bool some = false;
    *w = (widths){.layers = count, .removed_known = json_array_size(before) == count};
    w->kept = pare_page_numbers(page, count);
    w->removed = pare_page_numbers(page, count);
    w->names = pare_page_take(page, count, sizeof *w->names);
    if (!w->kept || !w->removed || !w->names) return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *layer = json_array_get(layers, i), *list = json_object_get(layer, kept_name);
        double all = pare_page_number(json_array_get(before, i), before_name);
        w->names[i] = pare_page_format(page, "%zu", i);
        w->kept[i] = kept_of(list);
        some |= json_is_array(list);
        w->removed[i] = w->removed_known && all >= w->kept[i] ? all - w->kept[i] : NAN;
        w->changed |= !(w->removed[i] <= 0.0);
    }
    return some;
}

static const struct {
    const char *name, *title, *unit, *kept, *before;
} kinds[] = {{"widths-ffn", "FFN channels of each layer", "FFN channels", "ffn_channels_kept", "ffn"},
             {"widths-heads", "Query heads of each layer", "query heads", "query_heads_kept", "query_heads"},
             {"widths-kv-heads", "Key/value heads of each layer", "key/value heads", "kv_heads_kept", "kv_heads"},
             {"widths-experts", "Experts of each layer", "experts", "experts_kept", "experts"},
             {"widths-expert-channels", "Channels of each expert of each layer", "channels of an expert",
              "expert_channels_kept", "expert_ffn"}};

static bool draw(pare_page *page, const json_t *json, size_t kind) {
    widths w;
    if (!read(page, json, kinds[kind].kept, kinds[kind].before, &w) || !w.changed) return false;
    pare_chart_series series[] = {{.name = "kept", .count = w.layers, .y = w.kept},
                                  {.name = "removed", .count = w.layers, .y = w.removed}};
    pare_page_chart(page,
                    &(pare_chart){.kind = PARE_CHART_BARS,
                                  .name = kinds[kind].name,
                                  .title = kinds[kind].title,
                                  .caption = w.removed_known
                                                 ? "A bar is a layer of the model as it was; its lower part stays."
                                                 : "A bar is a layer of the model as it was.",
                                  .x = {.label = "layer"},
                                  .y = {.label = kinds[kind].unit, .whole = true},
                                  .series = series,
                                  .series_count = w.removed_known ? 2 : 1,
                                  .groups = w.names,
                                  .group_count = w.layers,
                                  .stacked = true});
    return true;
}

void pare_page_widths(pare_page *page, const json_t *json) {
    double hidden = pare_page_number(json, "model.hidden");
    size_t kept = pare_page_size(json, "hidden_channels_kept"), layers = pare_page_size(json, "layers");
    if (!layers || json_is_object(pare_page_at(json, "sparsity"))) return;
    pare_page_heading(page, "Widths");
    if (kept && hidden > 0.0) {
        pare_page_put(page, "<p>");
        pare_page_say(page, "%zu of %.0f channels of the residual stream stay.", kept, hidden);
        pare_page_put(page, "</p>\n");
    }
    size_t drawn = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        drawn += draw(page, json, i);
        pare_page_release(page);
    }
    if (!drawn && !kept) pare_page_put(page, "<p>All layers have the widths that they had.</p>\n");
}
