/* What an iteration did, step by step, for the report. */
#ifndef PARE_RECIPE_TRACE_H
#define PARE_RECIPE_TRACE_H

#include "recipe/score.h"

/* [{"step", "loss", "delta_l2", "zero_groups", "rank_correlation"}]; a new reference. */
json_t *pare_trace_json(const pare_score_result *result);

#endif
