#include "report/permutation.h"

static const char *const kind_names[PARE_CHANNEL_KINDS] = {
    [PARE_CHANNEL_HIDDEN] = "hidden", [PARE_CHANNEL_FFN] = "ffn", [PARE_CHANNEL_VALUE] = "value"};

json_t *pare_report_permutation(const pare_permutation_results *p) {
    json_t *json = pare_json_of({"how", pare_json_string(p->how)}, {"scores", pare_json_string(p->scores)});
    for (int kind = 0; kind < PARE_CHANNEL_KINDS; kind++) {
        const pare_permutation_gain *g = &p->gain[kind];
        if (!g->matrices) continue;
        json_t *gain = pare_json_of({"matrices", json_integer(g->matrices)}, {"permuted", json_integer(g->permuted)},
                                    {"scores", pare_json_real(g->total)}, {"kept_before", pare_json_real(g->before)},
                                    {"kept_after", pare_json_real(g->after)});
        if (kind == PARE_CHANNEL_HIDDEN && p->rows_seen < p->rows)
            pare_json_put(gain, "rows_seen", pare_json_list_of(json_integer(p->rows_seen), json_integer(p->rows)));
        pare_json_put(json, kind_names[kind], gain);
    }
    pare_json_put(json, "left_alone", pare_json_same(p->left_alone));
    return json;
}

static json_t *order_json(const uint32_t *order, uint32_t count) {
    if (!order) return json_null();
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        pare_json_append(list, json_integer(order[i]));
    return list;
}

json_t *pare_report_orders(const pare_model *model, const pare_orders *orders) {
    const pare_config *config = &model->config;
    json_t *layers = json_array();
    for (uint32_t i = 0; i < orders->layers; i++) {
        const pare_widths *w = &config->widths[i];
        pare_json_append(layers,
                         pare_json_of({"ffn", order_json(orders->ffn[i], w->ffn)},
                                      {"value", order_json(orders->value[i], w->kv_heads * config->head_size)}));
    }
    return pare_json_of({"hidden", order_json(orders->hidden, config->hidden)}, {"layers", layers});
}
