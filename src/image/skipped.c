#include "image/skipped.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_BYTES = 200 };

static char *shorten(const char *message, const char *name, const char *root) {
    size_t length = strlen(name), cut = strlen(root);
    if (strncmp(message, name, length) != 0) return pare_format("%.*s", REASON_BYTES, message);
    if (strncmp(name, root, cut) != 0) cut = 0;
    const char *rest = message + length;
    return pare_format("%s%.*s", name + cut, (int)strcspn(rest, ":;(,"), rest);
}

static void trim(char *text) {
    size_t length = text ? strlen(text) : 0;
    while (length && text[length - 1] == ' ')
        text[--length] = 0;
}

pare_status pare_skipped_add(pare_skipped *skipped, const char *name, const char *root) {
    if (skipped->count < PARE_SKIPPED_NAMED) {
        char *reason = shorten(pare_message(), name, root);
        if (!reason) return pare_whole();
        trim(reason);
        skipped->reasons[skipped->count] = reason;
    }
    skipped->count++;
    return PARE_OK;
}

static char *join(const pare_skipped *skipped) {
    uint32_t named = skipped->count < PARE_SKIPPED_NAMED ? skipped->count : PARE_SKIPPED_NAMED;
    char *text = pare_format("%u of %u %s skipped: %s", skipped->count, skipped->seen,
                             skipped->seen == 1    ? "picture was"
                             : skipped->count == 1 ? "pictures was"
                                                   : "pictures were",
                             skipped->reasons[0]);
    for (uint32_t i = 1; text && i < named; i++) {
        char *longer = pare_format("%s, %s", text, skipped->reasons[i]);
        free(text);
        text = longer;
    }
    if (!text || skipped->count == named) return text;
    char *longer = pare_format("%s, and %u more", text, skipped->count - named);
    free(text);
    return longer;
}

const char *pare_skipped_note(pare_skipped *skipped) {
    free(skipped->note);
    skipped->note = skipped->count ? join(skipped) : NULL;
    return skipped->note;
}

void pare_skipped_free(pare_skipped *skipped) {
    for (int i = 0; i < PARE_SKIPPED_NAMED; i++)
        free(skipped->reasons[i]);
    free(skipped->note);
    *skipped = (pare_skipped){0};
}
