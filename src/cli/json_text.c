#include "json_text.h"

#include "options.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>

char *pare_json_text_make(const json_t *document, const char *what, size_t flags) {
    char place[PARE_JSON_PLACE], sentence[PARE_JSON_SENTENCE], *text = NULL;
    pare_json_fault_kind fault = pare_json_fault(document, place);
    if (fault == PARE_JSON_WHOLE && pare_json_missing()) {
        snprintf(place, sizeof place, "%s", pare_json_missing());
        fault = PARE_JSON_NO_MEMORY;
    }
    pare_json_missing_forget();
    if (fault == PARE_JSON_WHOLE) text = pare_json_printed(document, flags);
    if (fault == PARE_JSON_WHOLE && !text) fault = PARE_JSON_NO_MEMORY;
    if (fault != PARE_JSON_WHOLE) {
        pare_json_fault_say(fault, place, what, sentence);
        pare_terminal_fail("%s", sentence);
    }
    return text;
}

int pare_json_text_print(const json_t *document, const char *what, size_t flags) {
    char shown[PARE_JSON_PLACE];
    snprintf(shown, sizeof shown, "%s on standard output", what);
    char *text = pare_json_text_make(document, shown, flags);
    if (text) puts(text);
    free(text);
    return text ? PARE_EXIT_DONE : PARE_EXIT_FAILED;
}
