#include "checkpoint/sealed.h"
#include "support/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void release(pare_sealed *sealed) {
    char unused[PARE_DIGEST_TEXT];
    if (sealed->digest) pare_digest_finish(sealed->digest, unused);
    free(sealed->path);
    free(sealed->beside);
    *sealed = (pare_sealed){0};
}

pare_status pare_sealed_begin(const char *path, uint64_t bytes, pare_sealed *out) {
    *out = (pare_sealed){.path = pare_format("%s", path), .beside = pare_format("%s.new", path)};
    pare_status status = pare_whole();
    if (status == PARE_OK) unlink(out->beside);
    if (status == PARE_OK) status = pare_digest_new(&out->digest);
    if (status == PARE_OK) status = pare_durable_create(out->beside, bytes + PARE_SEAL_BYTES, &out->file);
    if (status != PARE_OK) release(out);
    return status;
}

pare_status pare_sealed_put(pare_sealed *sealed, const void *data, uint64_t bytes) {
    pare_digest_add(sealed->digest, data, bytes);
    return pare_durable_write(&sealed->file, data, bytes);
}

static pare_status sync_folder_of(const char *path) {
    char *folder = pare_path_parent(path);
    if (!folder) return pare_whole();
    pare_status status = pare_durable_sync_folder(folder);
    free(folder);
    return status;
}

pare_status pare_sealed_end(pare_sealed *sealed, pare_status so_far) {
    char seal[PARE_DIGEST_TEXT];
    pare_status status = so_far;
    pare_digest_finish(sealed->digest, seal);
    sealed->digest = NULL;
    if (status == PARE_OK) status = pare_durable_write(&sealed->file, seal, PARE_SEAL_BYTES);
    if (status == PARE_OK) status = pare_durable_finish(&sealed->file);
    pare_durable_drop(&sealed->file);
    if (status == PARE_OK && rename(sealed->beside, sealed->path) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", sealed->path, strerror(errno));
    if (status == PARE_OK)
        status = sync_folder_of(sealed->path);
    else
        unlink(sealed->beside);
    release(sealed);
    return status;
}

pare_status pare_sealed_check(const pare_mapping *file, bool *whole) {
    char seal[PARE_DIGEST_TEXT];
    pare_digest *digest;
    *whole = false;
    if (file->bytes < PARE_SEAL_BYTES) return PARE_OK;
    uint64_t before = file->bytes - PARE_SEAL_BYTES;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, file->data, before);
    pare_digest_finish(digest, seal);
    *whole = memcmp(file->data + before, seal, PARE_SEAL_BYTES) == 0;
    return PARE_OK;
}
