#include "report/spread.h"

#include <math.h>

pare_spread pare_spread_of(const double *values, size_t count) {
    pare_spread spread = {.mean = NAN, .sd = NAN};
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            spread.finite++;
        }
    if (!spread.finite) return spread;
    spread.mean = sum / (double)spread.finite;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) squares += (values[i] - spread.mean) * (values[i] - spread.mean);
    if (spread.finite > 1) spread.sd = sqrt(squares / (double)(spread.finite - 1));
    return spread;
}

json_t *pare_report_spread(const double *values, size_t count) {
    pare_spread spread = pare_spread_of(values, count);
    if (!spread.finite) return json_null();
    json_t *json = pare_json_of({"mean", pare_json_real(spread.mean)}, {"sd", pare_json_measured(spread.sd)});
    if (spread.finite < count) pare_json_put(json, "left_out", pare_json_count(count - spread.finite));
    return json;
}
