/* An importance matrix as llama-imatrix wrote it before it wrote GGUF (".dat"); all numbers are little-endian.
 *
 *   bytes      content
 *   4          N, the number of entries
 *   N x        4: n, the length of the name; n: the name; 4: C, calls; 4: W, values; 4 W: floats, C times the mean
 *              square of each input
 *   4          calls of all; absent in the first such files
 *   4, n       the file of text that was read: n and its name; likewise
 *
 * A call is a sequence whose length is not said: 512 tokens, llama.cpp's default. Experts are not told apart: their
 * values lie one behind the other, so that the width is theirs together. */
#include "checkpoint/gguf_cursor.h"
#include "checkpoint/imatrix.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_LIMIT = 512, CALL_TOKENS = 512, HEAD_BYTES = 12, LEAST_BYTES = 4 + 1 + 4 + 4 + 4 };

/* The beginning of a first name, which is of a block or of the head. */
static bool is_name(const unsigned char *at, uint64_t length) {
    static const char *const first[] = {"blk.", "outp", "toke"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (length >= 4 && memcmp(at, first[i], 4) == 0) return true;
    return false;
}

bool pare_imatrix_is_legacy(const char *path) {
    unsigned char head[HEAD_BYTES];
    if (pare_file_begin(path, head, sizeof head) != sizeof head) return false;
    uint64_t length = pare_little_endian(head + 4, 4);
    return length <= NAME_LIMIT && is_name(head + 8, length);
}

/* As messages call it. */
static const char matrix[] = "the importance matrix";

static pare_status damaged(const pare_gguf_cursor *from, const char *what) {
    return pare_gguf_damaged(from, matrix, what);
}

/* A number from `least` to INT32_MAX. */
static pare_status take_number(pare_gguf_cursor *from, uint32_t least, const char *wrong, uint32_t *out) {
    PARE_TRY(pare_gguf_take_u32(from, matrix, out));
    return *out >= least && *out <= INT32_MAX ? PARE_OK : damaged(from, wrong);
}

static pare_status read_entry(pare_gguf_cursor *from, pare_imatrix_file *m) {
    uint32_t length, calls, values;
    const unsigned char *name;
    pare_imatrix_entry *entry = &m->entries[m->count];
    PARE_TRY(take_number(from, 1, "has a name of no bytes", &length));
    if (length > NAME_LIMIT) return damaged(from, "has a name that is too long to be true");
    PARE_TRY(pare_gguf_take(from, matrix, length, &name));
    if (!pare_gguf_is_text((pare_gguf_text){(const char *)name, length}))
        return damaged(from, "has a name that is no text");
    PARE_TRY(take_number(from, 0, "has an entry of fewer than no calls", &calls));
    PARE_TRY(take_number(from, 1, "has an entry without values", &values));
    *entry = (pare_imatrix_entry){
        .width = values, .matrices = 1, .scale = CALL_TOKENS, .count = (double)calls * CALL_TOKENS};
    PARE_TRY(pare_gguf_take(from, matrix, (uint64_t)values * sizeof(float), &entry->squares));
    entry->name = strndup((const char *)name, length);
    if (!entry->name) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the entries of %s", m->path);
    m->chunks = calls > m->chunks ? calls : m->chunks;
    m->count++;
    return PARE_OK;
}

pare_status pare_imatrix_read_legacy(pare_imatrix_file *m) {
    pare_gguf_cursor from = {.file = &m->mapping};
    uint32_t entries;
    PARE_TRY(take_number(&from, 1, "has no entries", &entries));
    if (entries > m->mapping.bytes / LEAST_BYTES) return damaged(&from, "promises more entries than it has room for");
    PARE_TRY(pare_alloc(&m->entries, entries, sizeof *m->entries, "entries of an importance matrix"));
    for (uint32_t i = 0; i < entries; i++)
        PARE_TRY(read_entry(&from, m));
    m->chunk_length = CALL_TOKENS;
    return PARE_OK;
}
