/* Rows of a summary about what was measured, on a text or on pictures, before and after. */
#ifndef PARE_CLI_MEASURED_ROWS_H
#define PARE_CLI_MEASURED_ROWS_H

#include <jansson.h>

/* Shows one row: "top-1, val", before and after, and the change: of shares in points, "" where there is none. */
typedef void (*pare_measured_row_fn)(void *context, const char *name, const char *before, const char *after,
                                     const char *change);

/* text: one of the report's "texts". key: "after", "recovered" or "adapted". what: behind the names. */
void pare_text_rows(const json_t *text, const char *key, const char *what, pare_measured_row_fn row, void *context);

/* images: the report's member; NULL: no rows. */
void pare_image_rows(const json_t *images, const char *key, const char *what, pare_measured_row_fn row, void *context);

#endif
