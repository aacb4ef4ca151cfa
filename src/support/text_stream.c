#include "text_stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct stream {
    char **text, *made;
    size_t *bytes, length, room;
    bool lost;
} stream;

static ssize_t write_piece(void *cookie, const char *piece, size_t bytes) {
    enum { BEGIN = 1024 };
    stream *s = cookie;
    if (!s->lost && bytes >= s->room - s->length) {
        size_t room = s->room + s->room / 2 + bytes + BEGIN;
        char *made = realloc(s->made, room);
        s->lost = !made;
        if (made) {
            s->made = made;
            s->room = room;
        }
    }
    if (s->lost) {
        errno = ENOMEM;
        return 0;
    }
    memcpy(s->made + s->length, piece, bytes);
    s->length += bytes;
    return (ssize_t)bytes;
}

/* Where it is, and no more. */
static int tell(void *cookie, off64_t *offset, int whence) {
    const stream *s = cookie;
    if (*offset != 0 || whence == SEEK_SET) return -1;
    *offset = (off64_t)s->length;
    return 0;
}

static int end(void *cookie) {
    stream *s = cookie;
    bool lost = s->lost;
    if (lost) {
        free(s->made);
        s->made = NULL;
    } else {
        s->made[s->length] = 0;
    }
    *s->text = s->made;
    *s->bytes = lost ? 0 : s->length;
    free(s);
    if (lost) errno = ENOMEM;
    return lost ? -1 : 0;
}

FILE *pare_text_stream(char **text, size_t *bytes) {
    stream *s = malloc(sizeof *s);
    *text = NULL;
    *bytes = 0;
    if (!s) return NULL;
    *s = (stream){.text = text, .bytes = bytes, .made = malloc(1), .room = 1};
    FILE *file = s->made ? fopencookie(s, "w", (cookie_io_functions_t){NULL, write_piece, tell, end}) : NULL;
    if (file) return file;
    free(s->made);
    free(s);
    return NULL;
}
