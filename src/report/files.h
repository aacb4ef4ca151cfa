/* What lies in a folder that was written. */
#ifndef PARE_REPORT_FILES_H
#define PARE_REPORT_FILES_H

#include "support/json.h"

typedef struct pare_file_list {
    char **names; /* [count], sorted, without hidden ones; freed with free() */
    size_t count;
    uint64_t bytes; /* of all */
} pare_file_list;

/* Free with pare_file_list_free. */
pare_status pare_file_list_read(const char *folder, pare_file_list *out);
void pare_file_list_free(pare_file_list *list);

/* ["name", ..] */
json_t *pare_report_files(const pare_file_list *list);

#endif
