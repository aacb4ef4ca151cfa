/* Files of progress with other bytes than pare wrote, and the digest that these have. */
#ifndef PARE_TESTS_FORGE_H
#define PARE_TESTS_FORGE_H

#include "support/digest.h"
#include "tiny_model.h"

#include <string.h>

enum { FORGE_DIGITS = PARE_DIGEST_TEXT - 1 };

/* The end of the data, as long as a digest, becomes that of what stands before. bytes: at least FORGE_DIGITS. */
static inline void forge_seal(unsigned char *data, size_t bytes) {
    char digest[PARE_DIGEST_TEXT];
    pare_digest *sum;
    tiny_check(pare_digest_new(&sum) == PARE_OK, "digest");
    pare_digest_add(sum, data, bytes - FORGE_DIGITS);
    pare_digest_finish(sum, digest);
    memcpy(data + bytes - FORGE_DIGITS, digest, FORGE_DIGITS);
}

/* Where a state file (checkpoint/state_file.c) has its key, the bytes of what it holds, and these. */
enum { FORGE_KEY = 16, FORGE_BYTES = 112, FORGE_HEAD = 120 };

/* A state file says how long it is. */
static inline void forge_length(unsigned char *data, size_t bytes) {
    uint64_t held = bytes - FORGE_HEAD - FORGE_DIGITS;
    memcpy(data + FORGE_BYTES, &held, sizeof held);
}

#endif
