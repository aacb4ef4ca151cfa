/* JSON that leaves the library (jansson makes it). */
#ifndef PARE_SUPPORT_JSON_H
#define PARE_SUPPORT_JSON_H

#include "support/status.h"

#include <jansson.h>

/* The value's text with a newline at its end, freed with pare_free. Frees the reference, which may be NULL (a value
 * that could not be made). */
pare_status pare_json_text(json_t *json, char **text);

/* A file name as a JSON string; bytes that are not UTF-8 become '?'. */
json_t *pare_json_name(const char *name);

#endif
