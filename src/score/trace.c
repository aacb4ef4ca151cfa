#include "score/trace.h"

#include <math.h>

static json_t *step_json(const pare_moreau_step *step, int32_t number) {
    double rows = step->rows ? (double)step->rows : 1.0;
    json_t *json = json_object();
    json_object_set_new(json, "step", json_integer(number));
    json_object_set_new(json, "loss", json_real(step->loss));
    json_object_set_new(json, "delta_l2", json_real(step->delta_l2));
    json_object_set_new(json, "zero_groups", json_real((double)step->zero_rows / rows));
    if (isfinite(step->rank_correlation))
        json_object_set_new(json, "rank_correlation", json_real(step->rank_correlation));
    return json;
}

json_t *pare_trace_json(const pare_score_result *result) {
    json_t *trace = json_array();
    for (int32_t t = 0; t < result->steps; t++)
        json_array_append_new(trace, step_json(&result->trace[t], t + 1));
    return trace;
}
