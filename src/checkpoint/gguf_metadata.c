#include "checkpoint/gguf_metadata.h"
#include "support/memory.h"

#include <string.h>

enum { FIRST_ROOM = 1 << 16 };

void pare_gguf_append(pare_gguf_metadata *metadata, const void *bytes, size_t size) {
    if (metadata->lost || !size) return;
    if (size > metadata->room - metadata->size) {
        size_t room = metadata->room ? metadata->room : FIRST_ROOM;
        unsigned char *larger = NULL;
        while (room - metadata->size < size && room <= SIZE_MAX / 4)
            room *= 2;
        if (pare_alloc_uninitialized(&larger, room, 1, "metadata of a GGUF file") != PARE_OK) {
            metadata->lost = true;
            return;
        }
        if (metadata->size) memcpy(larger, metadata->bytes, metadata->size);
        pare_free(metadata->bytes);
        metadata->bytes = larger;
        metadata->room = room;
    }
    memcpy(metadata->bytes + metadata->size, bytes, size);
    metadata->size += size;
}

void pare_gguf_append_padding(pare_gguf_metadata *metadata) {
    static const unsigned char zeros[PARE_GGUF_ALIGNMENT];
    pare_gguf_append(metadata, zeros, pare_gguf_padding(metadata->size));
}

static void append_number(pare_gguf_metadata *metadata, uint64_t value, size_t size) {
    unsigned char bytes[sizeof value];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    pare_gguf_append(metadata, bytes, size);
}

void pare_gguf_append_u32(pare_gguf_metadata *metadata, uint32_t value) {
    append_number(metadata, value, sizeof value);
}

void pare_gguf_append_u64(pare_gguf_metadata *metadata, uint64_t value) {
    append_number(metadata, value, sizeof value);
}

void pare_gguf_append_f32(pare_gguf_metadata *metadata, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    append_number(metadata, bits, sizeof bits);
}

void pare_gguf_append_text(pare_gguf_metadata *metadata, const char *text, uint64_t bytes) {
    pare_gguf_append_u64(metadata, bytes);
    pare_gguf_append(metadata, text, bytes);
}

static void begin(pare_gguf_metadata *metadata, const char *key, pare_gguf_kind kind) {
    metadata->entries++;
    metadata->list = 0;
    pare_gguf_append_text(metadata, key, strlen(key));
    pare_gguf_append_u32(metadata, kind);
}

void pare_gguf_put_text(pare_gguf_metadata *metadata, const char *key, const char *text) {
    if (!text) {
        metadata->lost = true;
        return;
    }
    begin(metadata, key, PARE_GGUF_STRING);
    pare_gguf_append_text(metadata, text, strlen(text));
}

void pare_gguf_put_u32(pare_gguf_metadata *metadata, const char *key, uint32_t value) {
    begin(metadata, key, PARE_GGUF_UINT32);
    pare_gguf_append_u32(metadata, value);
}

void pare_gguf_put_f32(pare_gguf_metadata *metadata, const char *key, double value) {
    begin(metadata, key, PARE_GGUF_FLOAT32);
    pare_gguf_append_f32(metadata, (float)value);
}

void pare_gguf_put_flag(pare_gguf_metadata *metadata, const char *key, bool value) {
    begin(metadata, key, PARE_GGUF_BOOL);
    append_number(metadata, value, 1);
}

void pare_gguf_put_list(pare_gguf_metadata *metadata, const char *key, pare_gguf_kind kind) {
    begin(metadata, key, PARE_GGUF_ARRAY);
    pare_gguf_append_u32(metadata, kind);
    metadata->list = metadata->size;
    pare_gguf_append_u64(metadata, 0);
}

/* One more element of the open list. */
static void count(pare_gguf_metadata *metadata) {
    if (metadata->lost || !metadata->list) return;
    unsigned char *length = metadata->bytes + metadata->list;
    for (size_t i = 0; i < sizeof(uint64_t) && ++length[i] == 0; i++)
        continue;
}

void pare_gguf_add_text(pare_gguf_metadata *metadata, const char *text, uint64_t bytes) {
    count(metadata);
    pare_gguf_append_text(metadata, text, bytes);
}

void pare_gguf_add_i32(pare_gguf_metadata *metadata, int32_t value) {
    count(metadata);
    pare_gguf_append_u32(metadata, (uint32_t)value);
}

void pare_gguf_add_f32(pare_gguf_metadata *metadata, float value) {
    count(metadata);
    pare_gguf_append_f32(metadata, value);
}

void pare_gguf_add_flag(pare_gguf_metadata *metadata, bool value) {
    count(metadata);
    append_number(metadata, value, 1);
}

pare_status pare_gguf_metadata_check(const pare_gguf_metadata *metadata) {
    if (!metadata->lost) return pare_whole();
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the metadata of a GGUF file");
}

void pare_gguf_metadata_free(pare_gguf_metadata *metadata) {
    pare_free(metadata->bytes);
    *metadata = (pare_gguf_metadata){0};
}
