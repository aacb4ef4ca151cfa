/* Results of zero-shot tasks in the form of lm-evaluation-harness, as its results_DATE.json has them, for what reads
 * those: leaderboards, tables, plots.
 *
 *   {"results": {TASK: {"alias", "acc,none", "acc_stderr,none", "acc_norm,none"?, ..}}, "group_subtasks", "configs",
 *    "versions", "n-shot", "higher_is_better", "n-samples": {TASK: {"original", "effective"}}, "config", "git_hash",
 *    "date", ..., "model_source", "model_name", "model_name_sanitized", ..., "total_evaluation_time_seconds"}
 *
 * What pare has no notion of is null; "pare" says whose results they are. */
#ifndef PARE_REPORT_LM_EVAL_H
#define PARE_REPORT_LM_EVAL_H

#include "model/config.h"
#include "report/evaluation.h"

json_t *pare_report_lm_eval(const pare_evaluation_results *results, const pare_config *config);

#endif
