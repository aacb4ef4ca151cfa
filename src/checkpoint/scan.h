/* One pass over all bytes of a checkpoint: its digests, and whether all its weights are numbers. */
#ifndef PARE_CHECKPOINT_SCAN_H
#define PARE_CHECKPOINT_SCAN_H

#include "checkpoint/checkpoint.h"
#include "support/digest.h"

typedef struct pare_scan {
    char (*file_digests)[PARE_DIGEST_TEXT]; /* [files]: SHA-256 of each file, in the order of pare_checkpoint_file */
    char digest[PARE_DIGEST_TEXT]; /* of all: a single file's own; of shards, SHA-256 of what `sha256sum` prints for
                                      them (digest, two spaces, name without folder, newline), in the same order */
    uint64_t *zeros;               /* [tensors]: elements that are +0 or -0, in the order of pare_checkpoint_at */
} pare_scan;

/* PARE_NUMERIC_ERROR on the first NaN or infinity, with file, tensor and index; PARE_INTERRUPTED between two pieces.
 * Reports the bytes done to `runtime`, which may be NULL. On failure *out is empty. */
pare_status pare_checkpoint_scan(const pare_checkpoint *checkpoint, const pare_runtime *runtime, pare_scan *out);
void pare_scan_free(pare_scan *scan);

#endif
