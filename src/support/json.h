/* JSON that leaves the library: only whole (support/json_build.h makes it). */
#ifndef PARE_SUPPORT_JSON_H
#define PARE_SUPPORT_JSON_H

#include "support/json_build.h"
#include "support/status.h"

/* The text of a report with a newline at its end, freed with pare_free. Frees the reference, which may be NULL (a value
 * that could not be made). Fails with a sentence that names the member that could not be made. */
pare_status pare_json_text(json_t *json, char **text);
/* The same of something else, which messages call `what`. */
pare_status pare_json_text_of(json_t *json, const char *what, char **text);

/* As jansson prints it with these flags, without a newline; freed with pare_free. Keeps the reference. */
pare_status pare_json_dump(const json_t *json, const char *what, size_t flags, char **text);

/* A value as messages show it, on one line, after `most` bytes cut and "..."; freed with free(). */
char *pare_json_shown(const json_t *value, size_t most);

/* Whether a document is whole, for what is handed on as JSON. */
pare_status pare_json_check(const json_t *json, const char *what);

#endif
