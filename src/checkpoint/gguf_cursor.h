/* A place in a GGUF file, or another one of such numbers, that is read: every step is checked against what is left of
 * it. */
#ifndef PARE_CHECKPOINT_GGUF_CURSOR_H
#define PARE_CHECKPOINT_GGUF_CURSOR_H

#include "checkpoint/gguf.h"

typedef struct pare_gguf_cursor {
    const pare_mapping *file;
    uint64_t at; /* never beyond the file's end */
} pare_gguf_cursor;

static inline uint64_t pare_gguf_left(const pare_gguf_cursor *from) {
    return from->file->bytes - from->at;
}

/* Always fails: "FILE: NAME WHAT (at byte N); ...". */
pare_status pare_gguf_damaged(const pare_gguf_cursor *from, const char *name, const char *what);

/* `bytes` bytes, *out pointing at them. name: of what they belong to, for messages. */
pare_status pare_gguf_take(pare_gguf_cursor *from, const char *name, uint64_t bytes, const unsigned char **out);
pare_status pare_gguf_take_u32(pare_gguf_cursor *from, const char *name, uint32_t *out);
pare_status pare_gguf_take_u64(pare_gguf_cursor *from, const char *name, uint64_t *out);
pare_status pare_gguf_take_text(pare_gguf_cursor *from, const char *name, pare_gguf_text *out);
/* A name of `what`, freed with free(): neither empty nor longer than `most` bytes, UTF-8 without control characters. */
pare_status pare_gguf_take_name(pare_gguf_cursor *from, const char *what, uint64_t most, char **out);

#endif
