#include "checkpoint/gguf_cursor.h"
#include "support/little_endian.h"

#include <stdlib.h>
#include <string.h>

pare_status pare_gguf_damaged(const pare_gguf_cursor *from, const char *name, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: %.200s %s (at byte %llu of %llu); the file is truncated or damaged",
                     from->file->path, name, what, (unsigned long long)from->at, (unsigned long long)from->file->bytes);
}

pare_status pare_gguf_take(pare_gguf_cursor *from, const char *name, uint64_t bytes, const unsigned char **out) {
    *out = NULL;
    if (bytes > pare_gguf_left(from)) return pare_gguf_damaged(from, name, "reaches beyond the end of the file");
    *out = from->file->data + from->at;
    from->at += bytes;
    return PARE_OK;
}

pare_status pare_gguf_take_u32(pare_gguf_cursor *from, const char *name, uint32_t *out) {
    const unsigned char *bytes;
    PARE_TRY(pare_gguf_take(from, name, sizeof *out, &bytes));
    *out = (uint32_t)pare_little_endian(bytes, sizeof *out);
    return PARE_OK;
}

pare_status pare_gguf_take_u64(pare_gguf_cursor *from, const char *name, uint64_t *out) {
    const unsigned char *bytes;
    PARE_TRY(pare_gguf_take(from, name, sizeof *out, &bytes));
    *out = pare_little_endian(bytes, sizeof *out);
    return PARE_OK;
}

pare_status pare_gguf_take_text(pare_gguf_cursor *from, const char *name, pare_gguf_text *out) {
    const unsigned char *bytes;
    PARE_TRY(pare_gguf_take_u64(from, name, &out->length));
    PARE_TRY(pare_gguf_take(from, name, out->length, &bytes));
    out->bytes = (const char *)bytes;
    return PARE_OK;
}

static bool is_plain(pare_gguf_text text) {
    for (uint64_t i = 0; i < text.length; i++)
        if ((unsigned char)text.bytes[i] < 0x20 || text.bytes[i] == 0x7f) return false;
    return pare_gguf_is_text(text);
}

pare_status pare_gguf_take_name(pare_gguf_cursor *from, const char *what, uint64_t most, char **out) {
    pare_gguf_text text;
    PARE_TRY(pare_gguf_take_text(from, what, &text));
    if (!text.length || text.length > most || !is_plain(text))
        return pare_gguf_damaged(from, what, "has a name that is empty, too long, or no text");
    *out = pare_format("%.*s", (int)text.length, text.bytes);
    return pare_whole();
}
