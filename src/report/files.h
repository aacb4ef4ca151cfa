/* What lies in a folder that was written. */
#ifndef PARE_REPORT_FILES_H
#define PARE_REPORT_FILES_H

#include "support/json.h"

/* *names: a list of the names of its files, sorted, without hidden ones; *bytes: their sizes. */
pare_status pare_report_files(const char *folder, json_t **names, uint64_t *bytes);

#endif
