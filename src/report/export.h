/* A model that was written in another form. Strings are borrowed. */
#ifndef PARE_REPORT_EXPORT_H
#define PARE_REPORT_EXPORT_H

#include "report/parts.h"

typedef struct pare_export_results {
    const char *model, *digest;
    uint64_t parameters, bytes;
    pare_written written;
    const pare_stage_cost *times;
    size_t time_count;
} pare_export_results;

/* results: pare_export_results. */
json_t *pare_report_export(const void *results);

#endif
