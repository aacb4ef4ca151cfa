#include "select/width_costs.h"
#include "select/target.h"

uint64_t pare_curve_cost(const pare_cost_curve *curve, uint32_t width) {
    uint32_t i = 1;
    while (i < curve->count && curve->width[i] < width)
        i++;
    if (i == curve->count) return curve->time[i - 1];
    double share = (double)(width - curve->width[i - 1]) / (double)(curve->width[i] - curve->width[i - 1]);
    return curve->time[i - 1] + (uint64_t)(share * (double)(curve->time[i] - curve->time[i - 1]));
}

uint64_t pare_width_cost(const pare_width_costs *costs, const pare_model *model, const pare_widths *widths) {
    if (!costs) return pare_parameters_with(model, widths, model->config.hidden);
    uint64_t total = costs->rest;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        total += pare_curve_cost(&costs->attention, widths[layer].kv_heads) +
                 pare_curve_cost(&costs->ffn, widths[layer].ffn);
    return total;
}
