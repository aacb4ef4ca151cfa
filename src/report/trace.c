#include "report/trace.h"

#include <math.h>

static json_t *step_json(const pare_moreau_step *step, int32_t number) {
    double rows = step->rows ? (double)step->rows : 1.0;
    json_t *json = json_object();
    pare_json_put(json, "step", json_integer(number));
    pare_json_put(json, "loss", pare_json_real(step->loss));
    pare_json_put(json, "delta_l2", pare_json_real(step->delta_l2));
    pare_json_put(json, "zero_groups", pare_json_real((double)step->zero_rows / rows));
    if (isfinite(step->rank_correlation))
        pare_json_put(json, "rank_correlation", pare_json_real(step->rank_correlation));
    return json;
}

json_t *pare_report_gate_trace(const pare_gate_trace *gates) {
    json_t *trace = json_array();
    for (size_t i = 0; i < gates->count; i++) {
        const pare_gate_step *step = &gates->steps[i];
        json_t *json = json_object();
        pare_json_put(json, "step", json_integer((json_int_t)i + 1));
        pare_json_put(json, "loss", pare_json_real(step->loss));
        pare_json_put(json, "left", pare_json_real(step->left));
        pare_json_put(json, "undecided", pare_json_real(step->mixed));
        pare_json_put(json, "mu", pare_json_real(step->mu));
        pare_json_append(trace, json);
    }
    return trace;
}

static json_t *head_gates(const float *factors, uint32_t heads, uint32_t head_size) {
    if (!factors) return json_null();
    json_t *list = json_array();
    for (uint32_t head = 0; head < heads; head++)
        pare_json_append(list, pare_json_real((double)factors[head * head_size]));
    return list;
}

static json_t *channel_gates(const float *factors, uint32_t channels) {
    double sum = 0.0, largest = 0.0;
    uint32_t closed = 0;
    if (!factors) return json_null();
    for (uint32_t i = 0; i < channels; i++) {
        sum += (double)factors[i];
        largest = fmax(largest, (double)factors[i]);
        closed += !(factors[i] > 0.0f);
    }
    double mean = closed < channels ? sum / (double)(channels - closed) : 0.0;
    return pare_json_of({"closed", json_integer(closed)}, {"mean", pare_json_real(mean)},
                        {"largest", pare_json_real(largest)});
}

json_t *pare_report_gates(const pare_model *model, float *const *factors) {
    const pare_config *c = &model->config;
    json_t *layers = json_array();
    for (uint32_t i = 0; i < c->layers; i++) {
        const float *heads = factors[pare_tensor_id(i, PARE_ROLE_O)],
                    *channels = factors[pare_tensor_id(i, PARE_ROLE_DOWN)];
        pare_json_append(layers, pare_json_of({"heads", head_gates(heads, c->widths[i].heads, c->head_size)},
                                              {"channels", channel_gates(channels, c->widths[i].ffn)}));
    }
    return layers;
}

json_t *pare_report_trace(const pare_moreau_step *steps, int32_t count) {
    json_t *trace = json_array();
    for (int32_t t = 0; t < count; t++)
        pare_json_append(trace, step_json(&steps[t], t + 1));
    return trace;
}
