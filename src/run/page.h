/* The page of a run's report. It is made from the report's own text when all else is written, and before anything gets
 * to its place; whatever fails about it is a note, and the run goes on without it. */
#ifndef PARE_RUN_PAGE_H
#define PARE_RUN_PAGE_H

#include "run/page_files.h"
#include "run/run.h"

/* Strings are the caller's. */
typedef struct pare_page_job {
    bool wanted;
    const char *file;    /* NULL: report.html in the run's output, if that is a folder */
    const char *figures; /* folder, or NULL */
    const char *command; /* or NULL; in the report also without a page */
} pare_page_job;

/* Names what the page writes in run->paths. */
void pare_run_page_name(pare_run *run, const pare_page_job *page);
/* Before any work: refuses what cannot be written. */
pare_status pare_run_page_check(const pare_page_job *page);

/* Adds the command to *report, makes the page, and has *report name its files; as it was where that fails. */
void pare_run_page_make(pare_run *run, const pare_page_job *page, const pare_runtime *runtime, char **report,
                        pare_page_files *files);
/* After the run's own files are in place: puts these there, and frees. */
void pare_run_page_place(pare_page_files *files, const pare_runtime *runtime);

#endif
