/* What an iteration did, step by step. */
#ifndef PARE_REPORT_TRACE_H
#define PARE_REPORT_TRACE_H

#include "calibrate/moreau.h"
#include "support/json.h"

/* [{"step", "loss", "delta_l2", "zero_groups", "rank_correlation"}]; the last where it was computed. */
json_t *pare_report_trace(const pare_moreau_step *steps, int32_t count);

#endif
