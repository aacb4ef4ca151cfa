/* Rows that cannot be used, of files that are good otherwise. */
#ifndef PARE_TEXT_ODD_ROWS_H
#define PARE_TEXT_ODD_ROWS_H

#include "support/status.h"

enum { PARE_ODD_NAMED = 3 };

typedef struct pare_odd_rows {
    size_t rows, count;            /* of all rows that were read, those that were skipped */
    char *reasons[PARE_ODD_NAMED]; /* of the first ones: "line 3 has no text"; freed with pare_odd_rows_free */
    bool refused;                  /* the last failure was of a row that may be skipped */
} pare_odd_rows;

/* Counts a row whose reading failed with `refused` set: the failure's message, less the file's name, is its reason. */
void pare_odd_rows_add(pare_odd_rows *odd, const char *path);

/* Fails if more than 1 % of the rows are odd, unless it is a single one of three or more. so_far: only where hardly
 * anything but odd rows has come. */
pare_status pare_odd_rows_check(const pare_odd_rows *odd, const char *path, bool so_far);

/* A sentence for what was skipped, and for `malformed` stretches that are not UTF-8 from the offset `first` on; freed
 * with free(). NULL: nothing to say. */
char *pare_odd_rows_note(const pare_odd_rows *odd, const char *path, size_t malformed, size_t first);

void pare_odd_rows_free(pare_odd_rows *odd);

#endif
