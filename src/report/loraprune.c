#include "report/loraprune.h"

static json_t *values_json(const char *name, const pare_step_value *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        pare_json_append(
            list, pare_json_of({"step", pare_json_count(values[i].step)}, {name, pare_json_real(values[i].value)}));
    return list;
}

json_t *pare_report_loraprune(const pare_loraprune_results *r) {
    json_t *json = pare_json_of(
        {"steps", pare_json_count(r->steps)}, {"examples", pare_json_count(r->examples)},
        {"shortened", pare_json_count(r->shortened)}, {"left_out", pare_json_count(r->left_out)},
        {"parameters", pare_json_count(r->parameters)}, {"ratios", values_json("ratio", r->ratios, r->ratio_count)});
    if (r->losses) pare_json_put(json, "losses", values_json("loss", r->losses, r->loss_count));
    if (r->scores_skipped) pare_json_put(json, "scores_skipped", pare_json_count(r->scores_skipped));
    return json;
}
