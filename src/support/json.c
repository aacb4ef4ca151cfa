#include "support/json.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

pare_status pare_json_text(json_t *json, char **text) {
    char *dumped = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(json);
    pare_status whole = pare_whole();
    if (whole != PARE_OK) {
        free(dumped);
        return whole;
    }
    if (!dumped) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a report");
    size_t length = strlen(dumped);
    pare_status status = pare_alloc(text, length + 2, 1, "report");
    if (status == PARE_OK) {
        memcpy(*text, dumped, length);
        (*text)[length] = '\n';
    }
    free(dumped);
    return status;
}

json_t *pare_json_name(const char *name) {
    json_t *text = json_string(name);
    if (text) return text;
    char *ascii = pare_format("%s", name);
    for (char *c = ascii; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    text = ascii ? json_string(ascii) : NULL;
    free(ascii);
    return text;
}
