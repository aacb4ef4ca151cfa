/* The documents of a text file, or the id lists of an id file. */
#ifndef PARE_TEXT_DOCUMENTS_H
#define PARE_TEXT_DOCUMENTS_H

#include "text/chat_style.h"
#include "text/odd_rows.h"
#include "text/text_file.h"
#include "tokenizer/buffer.h"

/* A stretch of the text, or of the ids. */
typedef struct pare_document {
    size_t start, length;
} pare_document;

typedef struct pare_documents {
    const char *path; /* the caller's */
    bool has_ids;
    bool rendered;       /* chats in a model's own format, which has its own BOS: the tokenizer adds none */
    pare_document *list; /* [count] */
    size_t count, room;
    pare_text_file file; /* open while its bytes are the text */
    const char *text;    /* all documents as one text, a blank line between them; NULL with has_ids */
    size_t bytes;
    pare_buffer own; /* holds the text of JSON rows */
    pare_id_list ids;
    pare_odd_rows odd;
} pare_documents;

typedef struct pare_documents_request {
    const char *path;
    const char *field;            /* the text's key; NULL: "text" */
    const pare_chat_style *style; /* how rows without that key become a text; NULL: they do not */
    bool paragraphs;              /* plain text is divided where lines are blank; otherwise it is one document */
} pare_documents_request;

/* Reads a file, whatever its name, packed with gzip or not, as
 *   JSON, one value per line or one list: each an object with the text under the field, a string, or a list of ids;
 * with a style also chats and instructions (chat_text.h); one list of numbers is one list of ids plain text otherwise
 * Rows that are none of that are skipped and counted, as odd_rows.h says. What text_file.h refuses, and files without
 * any text, are refused. Free with pare_documents_close. */
pare_status pare_documents_open(const pare_documents_request *request, pare_documents *out);
/* A sentence for what was skipped or replaced; freed with free(). NULL: nothing. */
char *pare_documents_note(const pare_documents *documents);
void pare_documents_close(pare_documents *documents);

/* Whether a line has nothing but spaces, tabs and carriage returns. */
static inline bool pare_is_blank_line(const char *line, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

/* Part of pare_documents_open (documents_json.c). */
pare_status pare_documents_read_json(pare_documents *documents, const pare_documents_request *request);
pare_status pare_documents_add(pare_documents *documents, size_t start, size_t length);

#endif
