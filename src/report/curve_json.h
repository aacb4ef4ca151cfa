/* A loss curve in a report. */
#ifndef PARE_REPORT_CURVE_JSON_H
#define PARE_REPORT_CURVE_JSON_H

#include "report/curve.h"
#include "support/json.h"

/* {"step": [..], "loss": [..], "validation": [..]}, null where nothing was measured; at most 200 points, each the mean
 * loss of the steps up to it since the one before. */
json_t *pare_curve_json(const pare_curve *curve);

#endif
