#include "support/json.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

pare_status pare_json_check(const json_t *json, const char *what) {
    static const pare_status statuses[] = {[PARE_JSON_NOT_A_NUMBER] = PARE_NUMERIC_ERROR,
                                           [PARE_JSON_INFINITE] = PARE_NUMERIC_ERROR,
                                           [PARE_JSON_NOT_UTF8] = PARE_FORMAT_ERROR,
                                           [PARE_JSON_NO_MEMORY] = PARE_OUT_OF_MEMORY};
    char place[PARE_JSON_PLACE], sentence[PARE_JSON_SENTENCE];
    pare_json_fault_kind fault = pare_json_fault(json, place);
    if (fault == PARE_JSON_WHOLE) return pare_whole();
    pare_json_fault_say(fault, place, what, sentence);
    return pare_fail(statuses[fault], "%s", sentence);
}

/* What was printed, with a newline where wanted; frees it. */
static pare_status copy(char *dumped, bool newline, const char *what, char **text) {
    if (!dumped)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for %s; end other programs",
                         what ? what : "a file's name");
    size_t length = strlen(dumped);
    pare_status status = pare_alloc(text, length + 2, 1, what);
    if (status == PARE_OK) {
        memcpy(*text, dumped, length);
        if (newline) (*text)[length] = '\n';
    }
    free(dumped);
    return status;
}

pare_status pare_json_dump(const json_t *json, const char *what, size_t flags, char **text) {
    *text = NULL;
    PARE_TRY(pare_json_check(json, what));
    return copy(pare_json_printed(json, flags), false, what, text);
}

pare_status pare_json_text_of(json_t *json, const char *what, char **text) {
    *text = NULL;
    pare_status status = pare_json_check(json, what);
    if (status == PARE_OK)
        status = copy(pare_json_printed(json, JSON_INDENT(1) | JSON_REAL_PRECISION(12)), true, what, text);
    json_decref(json);
    return status;
}

pare_status pare_json_text(json_t *json, char **text) {
    return pare_json_text_of(json, "the report", text);
}

char *pare_json_shown(const json_t *value, size_t most) {
    char *text = pare_json_printed(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    if (!text || strlen(text) <= most) return text ? text : pare_format("?");
    char *cut = pare_format("%.*s...", (int)most, text);
    free(text);
    return cut;
}
