#include "report/report.h"
#include "report/evaluation.h"
#include "report/export.h"
#include "report/imatrix.h"
#include "report/merge.h"
#include "report/pruning.h"
#include "report/recovery.h"
#include "report/robustness.h"
#include "report/speed.h"

static const struct {
    const char *what; /* as messages call it */
    json_t *(*make)(const void *results);
} reports[PARE_REPORT_KINDS] = {
    [PARE_REPORT_EVALUATION] = {"the report of the evaluation", pare_report_evaluation},
    [PARE_REPORT_MERGE] = {"the report of the merge", pare_report_merge},
    [PARE_REPORT_EXPORT] = {"the report of the export", pare_report_export},
    [PARE_REPORT_IMATRIX] = {"the report of the measurement", pare_report_imatrix},
    [PARE_REPORT_PRUNING] = {"the report of the pruning", pare_report_pruning},
    [PARE_REPORT_RECOVERY] = {"the report of the recovery", pare_report_recovery},
    [PARE_REPORT_ROBUSTNESS] = {"the report of the comparison", pare_report_robustness},
    [PARE_REPORT_SPEED] = {"the report of the measurement", pare_report_speed},
};

pare_status pare_report_text(pare_report_kind kind, const void *results, char **text) {
    return pare_json_text_of(reports[kind].make(results), reports[kind].what, text);
}
