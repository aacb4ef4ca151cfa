/* Rows of tables for texts that models wrote on: how much of them repeats itself, and how many come to an end. */
#ifndef PARE_CLI_WRITTEN_ROWS_H
#define PARE_CLI_WRITTEN_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { PARE_WRITTEN_ROWS = 2 };

/* Names of the rows: "repeated 4-grams", "texts that come to an end". */
const char *pare_written_row_name(size_t index);

/* One share of "continuations" as a report has them, in percent; "-" for none. */
typedef struct pare_written_share {
    char text[24];
} pare_written_share;

pare_written_share pare_written_share_show(const json_t *continuations, size_t index);

typedef struct pare_written_row {
    const char *name;
    char before[24], after[24];
} pare_written_row;

/* Row `index` of a text of a report, from its members "before" and `after`. False: nothing was written. */
bool pare_written_row_of(const json_t *text, const char *after, size_t index, pare_written_row *out);

#endif
