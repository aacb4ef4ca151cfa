/* A file of text or rows, as it is read: unpacked if it is gzip, UTF-8 without a byte-order mark, lines that end with a
 * line feed alone. */
#ifndef PARE_TEXT_TEXT_FILE_H
#define PARE_TEXT_TEXT_FILE_H

#include "support/file.h"
#include "text/encoding.h"

typedef struct pare_text_file {
    const char *path; /* the caller's */
    const char *text; /* the file's own bytes where they can be taken as they are */
    size_t bytes;     /* not 0 */
    pare_mapping file;
    pare_encoding encoding;
    pare_spill unpacked, converted;
} pare_text_file;

/* Refuses empty files, what pare_container_refuse knows, and what pare_encoding_look refuses. Free with
 * pare_text_file_close. */
pare_status pare_text_file_open(const char *path, pare_text_file *out);
void pare_text_file_close(pare_text_file *file);

#endif
