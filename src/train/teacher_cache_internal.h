/* The file of a teacher's cache:
 *   head
 *   records, one for each prediction: f32 H(p') - H(p), u32 likeliest id, and the draws, in ascending order, as u16
 *   where the vocabulary has no more than 65536 ids, else as u32; 200 bytes in all
 *   SHA-256 of all before it: 64 hexadecimal digits (checkpoint/sealed.h)
 * in the machine's own byte order. */
#ifndef PARE_TRAIN_TEACHER_CACHE_INTERNAL_H
#define PARE_TRAIN_TEACHER_CACHE_INTERNAL_H

#include "checkpoint/sealed.h"
#include "train/teacher_cache.h"

#include <string.h>

enum { PARE_DRAWN_BYTES = 192, PARE_DRAWS_MOST = PARE_DRAWN_BYTES / 2, PARE_CACHE_VERSION = 1 };
#define PARE_CACHE_MAGIC "PARETCH1"

typedef struct pare_cache_head {
    char magic[8];
    uint32_t version, draws, vocabulary, operand;
    uint64_t seed, predictions;
    char teacher[PARE_SEAL_BYTES], data[PARE_SEAL_BYTES];
} pare_cache_head;

typedef struct pare_cache_record {
    float add;
    uint32_t likeliest;
    unsigned char drawn[PARE_DRAWN_BYTES];
} pare_cache_record;

/* Bytes of an id in a record, and how many there are. */
static inline uint32_t pare_cache_id_bytes(uint32_t vocabulary) {
    return vocabulary <= 1 << 16 ? 2 : 4;
}

static inline uint32_t pare_cache_draws(uint32_t vocabulary) {
    return PARE_DRAWN_BYTES / pare_cache_id_bytes(vocabulary);
}

static inline uint32_t pare_cache_draw(const pare_cache_record *record, uint32_t bytes, uint32_t k) {
    uint16_t narrow;
    uint32_t wide;
    if (bytes == 2) {
        memcpy(&narrow, record->drawn + (size_t)2 * k, 2);
        return narrow;
    }
    memcpy(&wide, record->drawn + (size_t)4 * k, 4);
    return wide;
}

pare_cache_head pare_cache_head_of(const pare_teacher_cache_key *key);

/* What one prediction's record is made of, while its logits come in. */
typedef struct pare_drawing {
    double u, sum;   /* where draws lie in their share; of probabilities so far */
    double surprise; /* sum of p (logsum - logit): the entropy, in the end */
    uint32_t drawn;  /* so far */
    float best;      /* highest logit so far, of `likeliest` */
    uint32_t likeliest;
    uint32_t ids[PARE_DRAWS_MOST];
} pare_drawing;

/* number: of the prediction. */
void pare_drawing_begin(uint64_t seed, uint64_t number, pare_drawing *out);
/* Logits of ids [row, row + rows), in order. */
void pare_drawing_go_on(pare_drawing *drawing, const float *logits, int64_t row, int64_t rows, float logsum,
                        uint32_t draws);
void pare_drawing_end(pare_drawing *drawing, uint32_t vocabulary, pare_cache_record *out);

#endif
