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

json_t *pare_report_trace(const pare_moreau_step *steps, int32_t count) {
    json_t *trace = json_array();
    for (int32_t t = 0; t < count; t++)
        pare_json_append(trace, step_json(&steps[t], t + 1));
    return trace;
}
