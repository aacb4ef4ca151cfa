/* Rows of a summary about pictures. */
#ifndef PARE_CLI_IMAGE_ROWS_H
#define PARE_CLI_IMAGE_ROWS_H

#include <jansson.h>

/* Shows one row: "top-1, val", before and after, and the change: of shares in points, "" where there is none. */
typedef void (*pare_image_row_fn)(void *context, const char *name, const char *before, const char *after,
                                  const char *change);

/* images: the report's member; NULL: no rows. key: "after" or "recovered". what: behind the names. */
void pare_image_rows(const json_t *images, const char *key, const char *what, pare_image_row_fn row, void *context);

#endif
