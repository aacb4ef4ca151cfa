/* Rows of JSON: one value per line, or the items of one list. They are parsed one at a time, so that a file of any size
 * takes the memory of its largest row. */
#ifndef PARE_TEXT_JSON_ROWS_H
#define PARE_TEXT_JSON_ROWS_H

#include "text/json_form.h"
#include "text/odd_rows.h"
#include "tokenizer/buffer.h"

#include <jansson.h>

typedef struct pare_json_row {
    const char *path;
    const char *unit; /* what `number` counts from 1: "line" (of the file) or "row" */
    size_t number;
    const json_t *value; /* of any type; gone after the call that hands it over */
    pare_odd_rows *odd;  /* or NULL */
} pare_json_row;

typedef pare_status (*pare_json_row_reader)(void *context, const pare_json_row *row);

typedef struct pare_json_source {
    const char *path, *text;
    size_t bytes, limit; /* at most so many rows; 0: all */
    pare_odd_rows *odd;  /* NULL: no row may be skipped */
} pare_json_source;

/* Hands the rows of a text whose form is a list or lines to `read`, in their order, until one fails. A list of whole
 * numbers is one row. Blank lines are no rows. Fails, naming line and column, on what is not JSON. With `odd` a row
 * that is not JSON (as NaN, integers of more than 64 bits and lone surrogates are not), and one that `read` refuses by
 * pare_json_row_refuse, is counted there and skipped, as far as pare_odd_rows_check allows. */
pare_status pare_json_rows_read(const pare_json_source *source, pare_json_row_reader read, void *context);

/* Fails with "PATH, line N " and the words, as one that may be skipped. */
pare_status pare_json_row_refuse(const pare_json_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* *text: the row if it is a string, or its string under `field`; the row's. Refuses, naming the keys that it has in its
 * place. */
pare_status pare_json_row_text(const pare_json_row *row, const char *field, const json_t **text);
/* Appends the token ids of a row that is a list. */
pare_status pare_json_row_ids(const pare_json_row *row, pare_id_list *ids);
/* Appends the first few keys of a row that is an object, with commas between; strings: only those of strings. */
pare_status pare_json_row_keys(const pare_json_row *row, bool strings, pare_buffer *keys);

#endif
