#include "report/stages.h"

json_t *pare_report_stage_costs(const pare_stage_cost *stages, size_t count) {
    json_t *costs = json_object();
    for (size_t i = 0; i < count; i++) {
        const pare_stage_cost *s = &stages[i];
        pare_json_put(costs, s->name,
                      pare_json_of({"processor_seconds", pare_json_real(s->usage.processor_seconds)},
                                   {"read", pare_json_count(s->usage.read)},
                                   {"written", pare_json_count(s->usage.written)},
                                   {"anonymous_peak", pare_json_count(s->peak.anonymous)},
                                   {"mapped_peak", pare_json_count(s->peak.mapped)}));
    }
    return costs;
}

void pare_report_put_stages(json_t *report, const pare_stage_cost *stages, size_t count) {
    json_t *seconds = json_object();
    for (size_t i = 0; i < count; i++)
        pare_json_put(seconds, stages[i].name, pare_json_real(stages[i].seconds));
    pare_json_put(report, "seconds", seconds);
    pare_json_put(report, "stages", pare_report_stage_costs(stages, count));
}
