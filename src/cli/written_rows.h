/* Rows of tables for texts that models wrote on: how much of them repeats itself, and how many come to an end. */
#ifndef PARE_CLI_WRITTEN_ROWS_H
#define PARE_CLI_WRITTEN_ROWS_H

#include <jansson.h>
#include <stddef.h>

enum { PARE_WRITTEN_ROWS = 2 };

/* Names of the rows: "repeated 4-grams", "texts that come to an end". */
const char *pare_written_row_name(size_t index);

/* One share of "continuations" as a report has them, in percent; "-" for none. */
typedef struct pare_written_share {
    char text[24];
} pare_written_share;

pare_written_share pare_written_share_show(const json_t *continuations, size_t index);

#endif
