/* The rows of a sweep and the files that they are kept in:
 *
 *   CSV    a line "# pare sweep " with the identity as JSON, a line of names, a line for every point; a line that is
 *          cut off is removed
 *   JSON   {"sweep": identity, "rows": [{name: value}]}, replaced at one stroke
 *
 * A row is a flat JSON object: the axes' values first, then the results. What is appended is on the disk when the call
 * returns. */
#ifndef PARE_CLI_SWEEP_ROWS_H
#define PARE_CLI_SWEEP_ROWS_H

#include "file_lock.h"
#include "sweep_axes.h"

typedef struct pare_sweep_rows {
    const char *csv, *json; /* paths; NULL: not wanted */
    json_t *identity;
    json_t *names; /* of the columns */
    char *head;    /* of the CSV file */
    size_t axes;   /* how many of them are axes */
    json_t *rows;  /* all rows that are known */
    json_t *in_csv, *in_json;
    pare_file_lock csv_lock, json_lock;
} pare_sweep_rows;

/* Takes the references. Reads what the files hold, and keeps other sweeps from them until pare_sweep_rows_close; a file
 * of another sweep, or one that another sweep is writing, is refused with one sentence, and nothing is written yet.
 * Returns the exit code; free with pare_sweep_rows_close in any case. */
int pare_sweep_rows_open(const char *csv, const char *json, json_t *identity, json_t *names, size_t axes,
                         pare_sweep_rows *out);
void pare_sweep_rows_close(pare_sweep_rows *rows);

/* The row whose axes have the values of `point` (an object), borrowed; NULL if it is not known. */
json_t *pare_sweep_rows_find(const pare_sweep_rows *rows, const json_t *point);

/* Adds the row (borrowed) to the files that do not have it. Returns the exit code. */
int pare_sweep_rows_add(pare_sweep_rows *rows, json_t *row);

#endif
