#include "report/merge.h"

static json_t *targets_json(const pare_merge_results *r) {
    json_t *list = json_array();
    for (size_t i = 0; i < r->target_count; i++)
        pare_json_append(list, pare_json_string(r->targets[i]));
    return list;
}

static json_t *warnings_json(const pare_merge_results *r) {
    if (r->zeros_lost <= 0) return json_array();
    return pare_json_list_of(pare_json_format("%.3g %% of the weights that the adapter changes were zeros, and are not "
                                              "zero any more; pare recover --keep-sparsity trains without filling them",
                                              100 * r->zeros_lost));
}

json_t *pare_report_merge(const void *results) {
    const pare_merge_results *r = results;
    json_t *model = pare_json_of({"path", pare_json_name(r->model)}, {"parameters", pare_json_count(r->parameters)},
                                 {"bytes", pare_json_count(r->bytes)}, {"sha256", pare_json_string(r->digest)});
    pare_report_put_id(model, r->model);
    json_t *adapter = pare_json_of({"path", pare_json_name(r->adapter)}, {"rank", json_integer(r->rank)},
                                   {"alpha", pare_json_real(r->alpha)}, {"targets", targets_json(r)},
                                   {"parameters", pare_json_count(r->adapter_parameters)});
    json_t *report = pare_json_of(
        {"pare", pare_json_string(pare_version())}, {"model", model}, {"adapter", adapter},
        {"tensors", pare_json_of({"all", pare_json_count(r->tensors)}, {"changed", pare_json_count(r->changed)})},
        {"output", pare_report_written(&r->written)});
    pare_report_put_stages(report, r->times, r->time_count);
    pare_json_put(report, "memory", pare_report_memory(NULL));
    pare_report_put_warnings(report, warnings_json(r));
    return report;
}
