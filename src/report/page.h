/* A page of reports: one HTML file that needs nothing else, made from the JSON that commands leave (--json,
 * pruning.json, recovery.json), or from several of them. What a document has is shown; what it lacks, or has in another
 * form than this version writes, is left out. */
#ifndef PARE_REPORT_PAGE_H
#define PARE_REPORT_PAGE_H

#include "support/json.h"

typedef struct pare_page_document {
    const char *name; /* of its file, for messages and the table of several; or NULL */
    const json_t *json;
} pare_page_document;

/* A picture of the page as a file of its own. */
typedef struct pare_page_figure {
    char *name, *svg; /* name: with ending; both freed with pare_page_figures_free */
} pare_page_figure;

typedef struct pare_page_figures {
    pare_page_figure *list; /* [count] */
    size_t count;
} pare_page_figures;

/* *html: freed with free(). figures: or NULL; freed with pare_page_figures_free in any case. PARE_FORMAT_ERROR, naming
 * the document, if one is no report of pare's. The same documents give the same bytes. */
pare_status pare_page_render(const pare_page_document *documents, size_t count, char **html,
                             pare_page_figures *figures);
void pare_page_figures_free(pare_page_figures *figures);

#endif
