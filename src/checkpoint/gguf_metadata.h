/* The metadata of a GGUF file that is written: entries one after the other, as the file has them (gguf.c). */
#ifndef PARE_CHECKPOINT_GGUF_METADATA_H
#define PARE_CHECKPOINT_GGUF_METADATA_H

#include "checkpoint/gguf.h"

/* All zero: empty. What cannot be put is noted, and pare_gguf_metadata_check fails. */
typedef struct pare_gguf_metadata {
    unsigned char *bytes; /* [size] */
    size_t size, room;
    uint64_t entries;
    size_t list; /* where the length of the list that is open stands; 0: none is */
    bool lost;
} pare_gguf_metadata;

void pare_gguf_put_text(pare_gguf_metadata *metadata, const char *key, const char *text);
void pare_gguf_put_u32(pare_gguf_metadata *metadata, const char *key, uint32_t value);
void pare_gguf_put_f32(pare_gguf_metadata *metadata, const char *key, double value);
void pare_gguf_put_flag(pare_gguf_metadata *metadata, const char *key, bool value);

/* A list, whose elements follow with pare_gguf_add_*, all of `kind`, until the next entry. */
void pare_gguf_put_list(pare_gguf_metadata *metadata, const char *key, pare_gguf_kind kind);
void pare_gguf_add_text(pare_gguf_metadata *metadata, const char *text, uint64_t bytes);
void pare_gguf_add_i32(pare_gguf_metadata *metadata, int32_t value);
void pare_gguf_add_f32(pare_gguf_metadata *metadata, float value);
void pare_gguf_add_flag(pare_gguf_metadata *metadata, bool value);

pare_status pare_gguf_metadata_check(const pare_gguf_metadata *metadata);
void pare_gguf_metadata_free(pare_gguf_metadata *metadata);

/* Numbers as the file has them, for what stands around the metadata. */
void pare_gguf_append_u32(pare_gguf_metadata *metadata, uint32_t value);
void pare_gguf_append_u64(pare_gguf_metadata *metadata, uint64_t value);
void pare_gguf_append_f32(pare_gguf_metadata *metadata, float value);
void pare_gguf_append_text(pare_gguf_metadata *metadata, const char *text, uint64_t bytes);
void pare_gguf_append(pare_gguf_metadata *metadata, const void *bytes, size_t size);
/* From `bytes` up to the next multiple of the alignment. */
static inline uint64_t pare_gguf_padding(uint64_t bytes) {
    return (PARE_GGUF_ALIGNMENT - bytes % PARE_GGUF_ALIGNMENT) % PARE_GGUF_ALIGNMENT;
}

/* So many zeros. */
void pare_gguf_append_padding(pare_gguf_metadata *metadata);

#endif
