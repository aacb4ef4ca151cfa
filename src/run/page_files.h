/* A page and its figures as files, all of which get to their places, or none. */
#ifndef PARE_RUN_PAGE_FILES_H
#define PARE_RUN_PAGE_FILES_H

#include "report/page.h"
#include "run/staged.h"

typedef struct pare_page_files {
    pare_staged *list; /* [count] */
    size_t count;
    char *made; /* the folder for figures, if it was not there; or NULL */
} pare_page_files;

/* Writes the page beside `file` (NULL: not), and figures into `folder` (NULL: not), which is made if it is not there.
 * Free with pare_page_files_drop in any case. */
pare_status pare_page_files_write(const char *file, const char *html, const char *folder,
                                  const pare_page_figures *figures, pare_page_files *out);
pare_status pare_page_files_place(pare_page_files *files);
/* Removes what is not in its place, and the folder that was made if nothing is in it. Keeps this thread's message. */
void pare_page_files_drop(pare_page_files *files);

/* Refuses a folder for figures that cannot be one. */
pare_status pare_page_folder_check(const char *folder);

#endif
