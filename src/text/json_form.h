/* Whether a text is JSON, and how its rows stand in it. */
#ifndef PARE_TEXT_JSON_FORM_H
#define PARE_TEXT_JSON_FORM_H

#include <stdbool.h>
#include <stddef.h>

typedef enum pare_json_form {
    PARE_JSON_NONE,
    PARE_JSON_LIST,  /* one list of rows, or of numbers */
    PARE_JSON_LINES, /* a value per line; also a file of one object with a text or a chat */
    PARE_JSON_OTHER  /* named as JSON, but one value that is no list, over several lines, or not JSON at all */
} pare_json_form;

/* Decided by the text: a list; or lines most of which begin and end as objects, lists or strings do, one of them being
 * sound. The name only says whether a text that is neither is JSON at all. */
pare_json_form pare_json_form_of(const char *path, const char *text, size_t bytes);

/* .json, .jsonl, .ndjson and .jsonlines, of any case, and with .gz behind. */
bool pare_json_is_name(const char *path);

/* The end of the value that begins at `at`: where a comma or a closing bracket stands outside of it, or `bytes`. */
size_t pare_json_value_end(const char *text, size_t bytes, size_t at);

/* The first place from `at` on that is no space of JSON's, or `bytes`. */
size_t pare_json_skip_space(const char *text, size_t bytes, size_t at);

#endif
