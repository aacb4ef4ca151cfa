#include "text/odd_rows.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 1000, FEWEST_ROWS = 3, REASON_BYTES = 160 };

void pare_odd_rows_add(pare_odd_rows *odd, const char *path) {
    const char *reason = pare_message();
    size_t length = strlen(path);
    if (strncmp(reason, path, length) == 0 && strncmp(reason + length, ", ", 2) == 0) reason += length + 2;
    if (odd->count < PARE_ODD_NAMED) odd->reasons[odd->count] = pare_format("%.*s", REASON_BYTES, reason);
    odd->count++;
    odd->refused = false;
}

static char *join_reasons(const pare_odd_rows *odd) {
    char *text = pare_format("%s", odd->reasons[0]);
    for (size_t i = 1; text && i < PARE_ODD_NAMED && i < odd->count; i++) {
        char *longer = pare_format("%s; %s", text, odd->reasons[i]);
        free(text);
        text = longer;
    }
    return text;
}

pare_status pare_odd_rows_check(const pare_odd_rows *odd, const char *path, bool so_far) {
    bool single = odd->count == 1 && odd->rows >= FEWEST_ROWS;
    if (so_far && (odd->count < MANY || odd->count < odd->rows / 2)) return PARE_OK;
    if (single || odd->count <= odd->rows / 100) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s (%zu of %zu rows cannot be used, which is more than 1 %%)", path,
                     odd->reasons[0], odd->count, odd->rows);
}

char *pare_odd_rows_note(const pare_odd_rows *odd, const char *path, size_t malformed, size_t first) {
    char *rows = NULL, *bytes = NULL, *note = NULL;
    if (odd->count) {
        char *reasons = join_reasons(odd);
        rows = pare_format("%zu of %zu rows skipped: %s%s", odd->count, odd->rows, reasons,
                           odd->count > PARE_ODD_NAMED ? "; and so on" : "");
        free(reasons);
    }
    if (malformed)
        bytes = pare_format("%zu %s not UTF-8, the first at offset %zu, read as U+FFFD", malformed,
                            malformed == 1 ? "stretch is" : "stretches are", first);
    if (rows || bytes)
        note = pare_format("%s: %s%s%s", path, rows ? rows : "", rows && bytes ? "; " : "", bytes ? bytes : "");
    free(rows);
    free(bytes);
    return note;
}

void pare_odd_rows_free(pare_odd_rows *odd) {
    for (size_t i = 0; i < PARE_ODD_NAMED; i++)
        free(odd->reasons[i]);
    *odd = (pare_odd_rows){0};
}
