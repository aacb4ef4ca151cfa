/* GGUF files made field by field, for tests of what reads them: written with nothing of pare's own. Fields that a test
 * damages have marks. */
#ifndef PARE_TESTS_GGUF_BUILDER_H
#define PARE_TESTS_GGUF_BUILDER_H

#include "tiny_model.h"

#ifndef BUILDER_ROOM
#define BUILDER_ROOM (1 << 16)
#endif

enum { BUILDER_MARKS = 32 };

typedef struct gguf_builder {
    unsigned char bytes[BUILDER_ROOM];
    size_t count;
    struct {
        const char *name;
        size_t at;
    } marks[BUILDER_MARKS];
    size_t mark_count;
} gguf_builder;

static inline void builder_put(gguf_builder *b, const void *data, size_t count) {
    tiny_check(b->count + count <= BUILDER_ROOM, "the room of a builder");
    memcpy(b->bytes + b->count, data, count);
    b->count += count;
}

static inline void builder_u32(gguf_builder *b, uint32_t value) {
    builder_put(b, &value, sizeof value);
}

static inline void builder_u64(gguf_builder *b, uint64_t value) {
    builder_put(b, &value, sizeof value);
}

static inline void builder_float(gguf_builder *b, float value) {
    builder_put(b, &value, sizeof value);
}

static inline void builder_text(gguf_builder *b, const char *text) {
    builder_u64(b, strlen(text));
    builder_put(b, text, strlen(text));
}

static inline void builder_mark(gguf_builder *b, const char *name) {
    tiny_check(b->mark_count < BUILDER_MARKS, "the marks of a builder");
    b->marks[b->mark_count].name = name;
    b->marks[b->mark_count++].at = b->count;
}

static inline size_t builder_at(const gguf_builder *b, const char *mark) {
    for (size_t i = 0; i < b->mark_count; i++)
        if (strcmp(b->marks[i].name, mark) == 0) return b->marks[i].at;
    tiny_check(false, mark);
    return 0;
}

/* Kinds as the format numbers them. */
enum { BUILDER_U32 = 4, BUILDER_I32 = 5, BUILDER_F32 = 6, BUILDER_BOOL = 7, BUILDER_STRING = 8, BUILDER_ARRAY = 9 };

static inline void builder_key(gguf_builder *b, const char *key, uint32_t kind) {
    builder_text(b, key);
    builder_u32(b, kind);
}

static inline void builder_whole(gguf_builder *b, const char *key, uint32_t value) {
    builder_key(b, key, BUILDER_U32);
    builder_u32(b, value);
}

static inline void builder_string(gguf_builder *b, const char *key, const char *value) {
    builder_key(b, key, BUILDER_STRING);
    builder_text(b, value);
}

static inline void builder_array(gguf_builder *b, const char *key, uint32_t kind, uint64_t count) {
    builder_key(b, key, BUILDER_ARRAY);
    builder_u32(b, kind);
    builder_u64(b, count);
}

static inline void builder_tensor(gguf_builder *b, const char *name, uint32_t type, uint64_t columns, uint64_t rows,
                                  uint64_t offset) {
    builder_text(b, name);
    builder_u32(b, rows ? 2 : 1);
    builder_u64(b, columns);
    if (rows) builder_u64(b, rows);
    builder_u32(b, type);
    builder_u64(b, offset);
}

static inline void builder_align(gguf_builder *b) {
    static const unsigned char zeros[32];
    builder_put(b, zeros, (32 - b->count % 32) % 32);
}

#endif
