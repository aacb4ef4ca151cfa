/* Token windows for calibration and evaluation, from files of text or of ready ids (documents.h says which). */
#ifndef PARE_TEXT_CORPUS_H
#define PARE_TEXT_CORPUS_H

#include "text/chat_style.h"

/* Token windows of equal length. */
typedef struct pare_windows {
    uint32_t *ids; /* [count, length] */
    uint32_t count, length;
    const char *chat; /* the format that chats are in; NULL: there are none, or they are in Alpaca's wording or none */
    char *note;       /* a sentence for what of the file was skipped or replaced; NULL: nothing */
} pare_windows;

typedef struct pare_window_request {
    const char *path;
    const char *field; /* NULL: "text" */
    uint32_t count;    /* 0: `usual`, or all lists of an id file */
    uint32_t usual;    /* 0: 10 */
    uint32_t length;   /* 0: 128, or the common length of an id file's lists */
    uint64_t seed;
    const pare_chat_style *style; /* how chats and instructions become a text; NULL: they are refused */
    bool stream;                  /* true: documents joined into one stream; false: a window lies in one document */
} pare_window_request;

/* Calibration windows, drawn by the seed alone. Fails, saying what to change, if the file has not enough for them.
 * documents: a uniformly random document that was not used before and has at least `length` tokens (BOS included, as
 * the tokenizer adds it), then a uniformly random window of it. A plain text holds one document per paragraph (blank
 * lines between). Only documents that are drawn are tokenised; those with fewer bytes than tokens are wanted never.
 * stream: one BOS, all documents joined by a blank line (a plain text as it is), random windows that do not overlap. Of
 *   a text above 8 MiB, one window is taken at a random line of each of `count` equal parts, without tokenising the
 * rest. An id file's lists are documents; all of them, in their order, where as many as there are are wanted. The
 * tokenizer may then be NULL; otherwise ids are checked against its vocabulary. Free with pare_windows_free. */
pare_status pare_windows_sample(const pare_tokenizer *tokenizer, const pare_window_request *request, pare_windows *out);

/* Evaluation windows: the whole file as one stream, one BOS in front if the tokenizer adds one, cut into consecutive
 * windows of `length` (0: 128), the remainder dropped; at most `limit` of them (0: all), for which no more of the text
 * is tokenised than needed. An id file: its lists one after another, each cut into windows by itself. Free with
 * pare_windows_free. */
pare_status pare_windows_stream(const pare_tokenizer *tokenizer, const char *path, const char *field, uint32_t length,
                                uint32_t limit, pare_windows *out);
void pare_windows_free(pare_windows *windows);
/* The windows without the note. Free with pare_windows_free. */
pare_status pare_windows_copy(const pare_windows *from, pare_windows *out);

/* SHA-256 of the ids as little-endian uint32, in reading order. */
pare_status pare_windows_digest(const pare_windows *windows, char text[65]);

#endif
