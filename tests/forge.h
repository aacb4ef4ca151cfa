/* Files of progress with other bytes than pare wrote, and the digest that these have. */
#ifndef PARE_TESTS_FORGE_H
#define PARE_TESTS_FORGE_H

#include "support/digest.h"
#include "support/json.h"
#include "support/memory.h"
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

/* progress.json of a pruning has the digest of its other members as they are printed. */
static inline void forge_progress(json_t *json, const char *path) {
    char digest[PARE_DIGEST_TEXT], *text = NULL;
    pare_digest *sum;
    json_object_del(json, "seal");
    tiny_check(pare_digest_new(&sum) == PARE_OK, "digest");
    if (pare_json_text_of(json_incref(json), "progress", &text) == PARE_OK) pare_digest_add(sum, text, strlen(text));
    pare_digest_finish(sum, digest);
    pare_free(text);
    json_object_set_new(json, "seal", json_string(digest));
    tiny_check(json_dump_file(json, path, 0) == 0, path);
}

#endif
