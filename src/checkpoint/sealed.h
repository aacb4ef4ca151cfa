/* A file with the state of a run: written beside its place, ended with the SHA-256 of all before it (64 hexadecimal
 * digits, the seal), synced, and renamed, so that what is found there is whole or known to be damaged. */
#ifndef PARE_CHECKPOINT_SEALED_H
#define PARE_CHECKPOINT_SEALED_H

#include "checkpoint/durable.h"
#include "support/digest.h"
#include "support/file.h"

enum { PARE_SEAL_BYTES = PARE_DIGEST_TEXT - 1 };

typedef struct pare_sealed {
    pare_durable file;
    pare_digest *digest;
    char *path, *beside;
} pare_sealed;

/* bytes: of what will be put, without the seal. In place of what a run that was killed has left beside `path`. On
 * failure nothing is left to drop. */
pare_status pare_sealed_begin(const char *path, uint64_t bytes, pare_sealed *out);
pare_status pare_sealed_put(pare_sealed *sealed, const void *data, uint64_t bytes);

/* so_far PARE_OK: the file gets to its place, at one stroke; else, and if that fails, what was written is removed.
 * Frees. */
pare_status pare_sealed_end(pare_sealed *sealed, pare_status so_far);

/* *whole: the file ends with the seal of what is before it. */
pare_status pare_sealed_check(const pare_mapping *file, bool *whole);

#endif
