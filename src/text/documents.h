/* The documents of a text file, or the id lists of an id file. */
#ifndef PARE_TEXT_DOCUMENTS_H
#define PARE_TEXT_DOCUMENTS_H

#include "support/file.h"
#include "text/buffer.h"

/* A stretch of the text, or of the ids. */
typedef struct pare_document {
    size_t start, length;
} pare_document;

typedef struct pare_documents {
    const char *path; /* the caller's */
    bool has_ids;
    pare_document *list; /* [count] */
    size_t count, room;
    pare_mapping file; /* open while its bytes are the text */
    const char *text;  /* all documents as one text, a blank line between them; NULL with has_ids */
    size_t bytes;
    pare_buffer own; /* holds the text of JSON rows */
    pare_id_list ids;
} pare_documents;

/* Reads `path` by its name's ending:
 *   .jsonl   each line an object with the text under `field` (NULL: "text"), a string, or a list of ids
 *   .json    one list of such, or one list of ids
 *   others   plain text; documents are what blank lines divide
 * Empty, binary and malformed files are refused. paragraphs: whether plain text is divided at all; otherwise it is one
 * document. Free with pare_documents_close. */
pare_status pare_documents_open(const char *path, const char *field, bool paragraphs, pare_documents *out);
void pare_documents_close(pare_documents *documents);

/* Whether a line has nothing but spaces, tabs and carriage returns. */
static inline bool pare_is_blank_line(const char *line, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

/* Part of pare_documents_open: .json and .jsonl (documents_json.c). */
pare_status pare_documents_read_json(pare_documents *documents, const char *field);
pare_status pare_documents_add(pare_documents *documents, size_t start, size_t length);

#endif
