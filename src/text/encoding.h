/* From the bytes of a file to UTF-8 text with line feeds, as Python's text mode with errors="replace" reads it. */
#ifndef PARE_TEXT_ENCODING_H
#define PARE_TEXT_ENCODING_H

#include "text/spill.h"

typedef struct pare_encoding {
    size_t mark;              /* bytes of the byte-order mark in front */
    size_t malformed, first;  /* stretches that are not UTF-8, each of which becomes one U+FFFD; where the first is */
    unsigned char first_byte; /* there */
    bool returns;             /* there are carriage returns */
} pare_encoding;

/* Looks at all of the text. Refuses, naming the offset and the command that converts it, UTF-16, UTF-32 and Latin-1
 * (where what is not UTF-8 is no exception), and what is no text. */
pare_status pare_encoding_look(const char *path, const char *text, size_t bytes, pare_encoding *out);

/* Whether the text is not to be read as it is. */
static inline bool pare_encoding_changes(const pare_encoding *encoding) {
    return encoding->malformed || encoding->returns;
}

/* Adds the text without its mark: "\r\n" and "\r" become "\n", and what is malformed U+FFFD. */
pare_status pare_encoding_convert(const pare_encoding *encoding, const char *text, size_t bytes, pare_spill *out);

#endif
