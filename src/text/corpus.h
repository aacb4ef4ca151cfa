/* Texts from files: .txt (one document), .jsonl or .json rows with a text field, or .json integer lists = ready ids. */
#ifndef PARE_TEXT_CORPUS_H
#define PARE_TEXT_CORPUS_H

#include "support/status.h"

/* Token windows of equal length. */
typedef struct pare_windows {
    uint32_t *ids; /* [count, length] */
    uint32_t count, length;
} pare_windows;

typedef struct pare_window_request {
    const char *path;
    const char *field; /* NULL: "text" */
    uint32_t count;    /* 0: 10, or all lists of an id file */
    uint32_t length;   /* 0: 128, or the common length of an id file's lists */
    uint64_t seed;
    bool stream; /* true: documents joined into one stream; false: a window lies in one document */
} pare_window_request;

/* Calibration windows. documents: a uniformly random document that was not used before and has at least `length` tokens
 * (BOS included, as the tokenizer adds it), then a uniformly random window of it. A .txt file holds one document per
 * paragraph block (blank line between); stream: one BOS, all documents joined by a blank line, random non-overlapping
 * windows. Draws depend on the seed alone. Free with pare_windows_free. */
pare_status pare_windows_sample(const pare_tokenizer *tokenizer, const pare_window_request *request, pare_windows *out);

/* Evaluation windows: the whole file as one stream, one BOS in front if the tokenizer adds one, cut into consecutive
 * windows, the remainder dropped; at most `limit` of them (0: all). An id file: each list of exactly `length` ids is a
 * window. */
pare_status pare_windows_stream(const pare_tokenizer *tokenizer, const char *path, const char *field, uint32_t length,
                                uint32_t limit, pare_windows *out);
void pare_windows_free(pare_windows *windows);

/* SHA-256 of the ids as little-endian uint32, in reading order. */
pare_status pare_windows_digest(const pare_windows *windows, char text[65]);

#endif
