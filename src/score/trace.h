/* What an iteration did, step by step, for the report. */
#ifndef PARE_SCORE_TRACE_H
#define PARE_SCORE_TRACE_H

#include "score/score.h"

/* [{"step", "loss", "delta_l2", "zero_groups", "rank_correlation"}]; a new reference. */
json_t *pare_trace_json(const pare_score_result *result);

#endif
