#include "checkpoint/gguf.h"
#include "support/little_endian.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} kinds[PARE_GGUF_KINDS] = {
    [PARE_GGUF_UINT8] = {"u8", 1},    [PARE_GGUF_INT8] = {"i8", 1},    [PARE_GGUF_UINT16] = {"u16", 2},
    [PARE_GGUF_INT16] = {"i16", 2},   [PARE_GGUF_UINT32] = {"u32", 4}, [PARE_GGUF_INT32] = {"i32", 4},
    [PARE_GGUF_FLOAT32] = {"f32", 4}, [PARE_GGUF_BOOL] = {"bool", 1},  [PARE_GGUF_STRING] = {"str", 0},
    [PARE_GGUF_ARRAY] = {"arr", 0},   [PARE_GGUF_UINT64] = {"u64", 8}, [PARE_GGUF_INT64] = {"i64", 8},
    [PARE_GGUF_FLOAT64] = {"f64", 8},
};

const char *pare_gguf_kind_name(pare_gguf_kind kind) {
    return kinds[kind].name;
}

size_t pare_gguf_kind_size(pare_gguf_kind kind) {
    return kinds[kind].size;
}

/* Bytes of the character that begins here, at most `left`; 0: it is none. */
static uint64_t character_bytes(const unsigned char *at, uint64_t left) {
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    uint64_t bytes = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (bytes > left || !at[0] || (bytes == 4 && (at[0] & 0xf8) != 0xf0)) return 0;
    uint32_t code = bytes == 1 ? at[0] : at[0] & (0x7fu >> bytes);
    for (uint64_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    bool sound = code >= least[bytes] && code < 0x110000 && (code < 0xd800 || code > 0xdfff);
    return sound ? bytes : 0;
}

bool pare_gguf_is_text(pare_gguf_text text) {
    for (uint64_t at = 0, bytes; at < text.length; at += bytes) {
        bytes = character_bytes((const unsigned char *)text.bytes + at, text.length - at);
        if (!bytes) return false;
    }
    return true;
}

const pare_gguf_entry *pare_gguf_find(const pare_gguf *file, const char *key) {
    for (size_t i = 0; i < file->entry_count; i++)
        if (strcmp(file->entries[i].key, key) == 0) return &file->entries[i];
    return NULL;
}

bool pare_gguf_is_number(const pare_gguf_entry *entry) {
    return pare_gguf_kind_size(entry->kind) && entry->kind != PARE_GGUF_BOOL;
}

bool pare_gguf_is_whole(const pare_gguf_entry *entry) {
    return pare_gguf_is_number(entry) && entry->kind != PARE_GGUF_FLOAT32 && entry->kind != PARE_GGUF_FLOAT64;
}

static uint64_t bits_at(const pare_gguf_entry *entry, uint64_t index) {
    size_t size = pare_gguf_kind_size(entry->kind);
    return pare_little_endian(entry->data + index * size, size);
}

double pare_gguf_real_at(const pare_gguf_entry *entry, uint64_t index) {
    uint64_t bits = bits_at(entry, index);
    uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    if (entry->kind == PARE_GGUF_FLOAT32) return (double)narrow;
    if (entry->kind == PARE_GGUF_FLOAT64) return wide;
    return (double)pare_gguf_whole_at(entry, index);
}

int64_t pare_gguf_whole_at(const pare_gguf_entry *entry, uint64_t index) {
    uint64_t bits = bits_at(entry, index);
    switch (entry->kind) {
    case PARE_GGUF_INT8:
        return (int8_t)bits;
    case PARE_GGUF_INT16:
        return (int16_t)bits;
    case PARE_GGUF_INT32:
        return (int32_t)bits;
    case PARE_GGUF_INT64:
        return (int64_t)bits;
    default:
        return bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
    }
}

static pare_status refuse(const pare_gguf *file, const char *key, const char *expected) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    return pare_fail(PARE_FORMAT_ERROR, "%s: the metadata entry %s is %s%s where %s is expected", file->mapping.path,
                     key, entry->array ? "an array of " : "", pare_gguf_kind_name(entry->kind), expected);
}

pare_status pare_gguf_whole(const pare_gguf *file, const char *key, int64_t least, int64_t most, int64_t fallback,
                            int64_t *out) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    *out = fallback;
    if (!entry) return PARE_OK;
    if (entry->array || !pare_gguf_is_whole(entry)) return refuse(file, key, "a whole number");
    *out = pare_gguf_whole_at(entry, 0);
    if (*out >= least && *out <= most) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the metadata entry %s is %lld, which is not between %lld and %lld",
                     file->mapping.path, key, (long long)*out, (long long)least, (long long)most);
}

pare_status pare_gguf_real(const pare_gguf *file, const char *key, double fallback, double *out) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    *out = fallback;
    if (!entry) return PARE_OK;
    if (entry->array || !pare_gguf_is_number(entry)) return refuse(file, key, "a number");
    *out = pare_gguf_real_at(entry, 0);
    if (*out - *out == 0.0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the metadata entry %s is not finite", file->mapping.path, key);
}

pare_status pare_gguf_flag(const pare_gguf *file, const char *key, bool fallback, bool *out) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    *out = fallback;
    if (!entry) return PARE_OK;
    if (entry->array || entry->kind != PARE_GGUF_BOOL) return refuse(file, key, "a truth value");
    *out = entry->data[0] != 0;
    return PARE_OK;
}

pare_status pare_gguf_string(const pare_gguf *file, const char *key, char **out) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    *out = NULL;
    if (!entry) return PARE_OK;
    if (entry->array || entry->kind != PARE_GGUF_STRING) return refuse(file, key, "a string");
    const pare_gguf_text *text = &entry->texts[0];
    if (pare_gguf_is_text(*text))
        *out = strndup(text->bytes, text->length);
    else
        return refuse(file, key, "one of UTF-8 without NUL");
    return *out ? PARE_OK : pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for %s of %s", key, file->mapping.path);
}

pare_status pare_gguf_list(const pare_gguf *file, const char *key, bool texts, const pare_gguf_entry **out) {
    const pare_gguf_entry *entry = pare_gguf_find(file, key);
    *out = entry;
    if (!entry) return PARE_OK;
    bool fits = entry->array && (texts ? entry->kind == PARE_GGUF_STRING : pare_gguf_is_number(entry));
    return fits ? PARE_OK : refuse(file, key, texts ? "an array of strings" : "an array of numbers");
}
