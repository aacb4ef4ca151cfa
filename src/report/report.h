/* Reports: the JSON that commands leave. A job hands down plain results, the table has what makes a document of them.
 */
#ifndef PARE_REPORT_REPORT_H
#define PARE_REPORT_REPORT_H

#include "support/json.h"

typedef enum pare_report_kind {
    PARE_REPORT_EVALUATION, /* of pare_evaluation_results (report/evaluation.h) */
    PARE_REPORT_PRUNING,    /* of pare_pruning_results (report/pruning.h) */
    PARE_REPORT_MERGE,      /* of pare_merge_results (report/merge.h) */
    PARE_REPORT_EXPORT,     /* of pare_export_results (report/export.h) */
    PARE_REPORT_IMATRIX,    /* of pare_imatrix_results (report/imatrix.h) */
    PARE_REPORT_RECOVERY,   /* of pare_recovery_results (report/recovery.h) */
    PARE_REPORT_SPEED,      /* of pare_speed_results (report/speed.h) */
    PARE_REPORT_ROBUSTNESS, /* of pare_robust_results (report/robustness.h) */
    PARE_REPORT_KINDS
} pare_report_kind;

/* The document's text, freed with pare_free; PARE_NUMERIC_ERROR, PARE_FORMAT_ERROR or PARE_OUT_OF_MEMORY, naming the
 * member, if it is not whole. */
pare_status pare_report_text(pare_report_kind kind, const void *results, char **text);

#endif
