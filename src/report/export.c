#include "report/export.h"

json_t *pare_report_export(const void *results) {
    const pare_export_results *r = results;
    json_t *model = pare_json_of({"path", pare_json_name(r->model)}, {"parameters", pare_json_count(r->parameters)},
                                 {"bytes", pare_json_count(r->bytes)}, {"sha256", pare_json_string(r->digest)});
    json_t *report = pare_json_of({"pare", pare_json_string(pare_version())}, {"model", model},
                                  {"output", pare_report_written(&r->written)});
    pare_report_put_stages(report, r->times, r->time_count);
    pare_json_put(report, "memory", pare_report_memory(NULL));
    return report;
}
