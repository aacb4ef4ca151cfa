/* Scores of units, small enough for a report: what stays and what goes at which score. */
#ifndef PARE_REPORT_UNIT_STRIPS_H
#define PARE_REPORT_UNIT_STRIPS_H

#include "select/select.h"
#include "support/json.h"

/* scores: of the units of `model`; selection: from it. {"heads": [STRIP, ..], "query_heads", "ffn", "hidden": [STRIP],
 * "layers": [STRIP]}, where a strip is {"layer": i, "values": [..], "kept": [..], "removed": [..], "cut": x}: numbers
 * of units at each value, which is one unit's where there are few, and the middle of a bin where there are many; cut
 * lies between what goes and what stays, or is null where these overlap. Lists of which nothing goes are left out. */
json_t *pare_report_unit_strips(const pare_unit_scores *scores, const pare_model *model,
                                const pare_selection *selection);

#endif
