#include "report/imatrix.h"

json_t *pare_report_imatrix(const void *results) {
    const pare_imatrix_results *r = results;
    json_t *model = pare_json_of({"path", pare_json_name(r->model)}, {"parameters", pare_json_count(r->parameters)},
                                 {"bytes", pare_json_count(r->bytes)});
    json_t *text = pare_json_of({"source", pare_json_name(r->text)}, {"sequences", json_integer(r->sequences)},
                                {"length", json_integer(r->length)}, {"sha256", pare_json_string(r->digest)});
    json_t *report = pare_json_of({"pare", pare_json_string(pare_version())}, {"model", model}, {"calibration", text},
                                  {"output", pare_json_of({"path", pare_json_name(r->output)})});
    pare_report_put_stages(report, r->times, r->time_count);
    pare_json_put(report, "memory", pare_report_memory(r->plan));
    return report;
}
