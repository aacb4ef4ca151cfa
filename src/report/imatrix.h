/* An importance matrix that was measured. Strings are borrowed. */
#ifndef PARE_REPORT_IMATRIX_H
#define PARE_REPORT_IMATRIX_H

#include "report/parts.h"

typedef struct pare_imatrix_results {
    const char *model, *text, *output;
    uint64_t parameters, bytes;
    uint32_t sequences, length;
    const char *digest; /* of the sequences */
    const pare_plan *plan;
    const pare_stage_cost *times;
    size_t time_count;
} pare_imatrix_results;

/* results: pare_imatrix_results. */
json_t *pare_report_imatrix(const void *results);

#endif
