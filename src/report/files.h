/* What lies in a folder that was written. */
#ifndef PARE_REPORT_FILES_H
#define PARE_REPORT_FILES_H

#include "support/json.h"

typedef struct pare_file_list {
    char **names; /* [count], sorted, without hidden ones; freed with free() */
    size_t count;
    uint64_t bytes; /* of all */
    /* Of what was written in another form than the job's own, freed with free(); or NULL. */
    char *kind, *load, *note;   /* as pare_written has them; note: what people should know of it */
    const char *const *engines; /* that load it, in place of those that pare_written has; or NULL */
    const char *remote_code;    /* the file that transformers is to be trusted with; or NULL */
} pare_file_list;

/* Fills the names and bytes of a list that has none. Free with pare_file_list_free. */
pare_status pare_file_list_read(const char *folder, pare_file_list *out);
void pare_file_list_free(pare_file_list *list);

/* ["name", ..] */
json_t *pare_report_files(const pare_file_list *list);

#endif
