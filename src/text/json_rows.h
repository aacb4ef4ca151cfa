/* Rows of a JSON file: one value per line (.jsonl), or the items of one list (.json). They are parsed one at a time, so
 * that a file of any size takes the memory of its largest row. */
#ifndef PARE_TEXT_JSON_ROWS_H
#define PARE_TEXT_JSON_ROWS_H

#include "text/buffer.h"

#include <jansson.h>

typedef enum pare_json_form { PARE_JSON_NONE, PARE_JSON_LIST, PARE_JSON_LINES } pare_json_form;

/* By the ending of the file's name: .json is a list, .jsonl lines, all others are no JSON. */
pare_json_form pare_json_form_of(const char *path);

typedef struct pare_json_row {
    const char *path;
    const char *unit; /* what `number` counts from 1: "line" (of the file) or "row" */
    size_t number;
    const json_t *value; /* of any type; gone after the call that hands it over */
} pare_json_row;

typedef pare_status (*pare_json_row_reader)(void *context, const pare_json_row *row);

/* Hands the rows of the text of `path` to `read`, at most `limit` of them (0: all), in their order, until one fails. A
 * list of whole numbers is one row. Blank lines are no rows. Fails, naming line and column, on what is not JSON. */
pare_status pare_json_rows_read(const char *path, const char *text, size_t bytes, size_t limit,
                                pare_json_row_reader read, void *context);

/* *text: the row if it is a string, or its string under `field`; the row's. Fails, naming the keys that it has in its
 * place. */
pare_status pare_json_row_text(const pare_json_row *row, const char *field, const json_t **text);
/* Appends the token ids of a row that is a list. */
pare_status pare_json_row_ids(const pare_json_row *row, pare_id_list *ids);
/* Appends the first few keys of a row that is an object, with commas between; strings: only those of strings. */
pare_status pare_json_row_keys(const pare_json_row *row, bool strings, pare_buffer *keys);

#endif
