#include "checkpoint/archive.h"
#include "checkpoint/durable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool same_tensor(const pare_tensor *a, const pare_tensor *b) {
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->shape, b->shape, sizeof a->shape[0] * (size_t)a->rank) == 0 &&
           (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

/* A tensor of the archive that is not in the model as it is there is damage, whatever caused it. */
static pare_status compare(const pare_checkpoint *model, const char *path) {
    pare_safetensors archive;
    PARE_TRY(pare_archive_open(path, pare_archive_memory(), &archive));
    pare_status status = PARE_OK;
    bool complete = archive.count == pare_checkpoint_count(model);
    for (size_t i = 0; complete && i < archive.count && status == PARE_OK; i++) {
        const pare_tensor *original = pare_checkpoint_find(model, archive.tensors[i].name);
        complete = original && same_tensor(original, &archive.tensors[i]);
        status = pare_interrupted();
    }
    if (!complete)
        status = pare_fail(
            PARE_CHECK_FAILED,
            "%s did not give back what was written into it, so the model stays as it was; check the disk", path);
    pare_safetensors_close(&archive);
    return status;
}

static pare_status remove_file(const char *path) {
    if (unlink(path) == 0 || errno == ENOENT) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "the archive is complete, but %s cannot be removed: %s", path, strerror(errno));
}

/* The index first: without it what is left of its shards is no model, and the archive counts. */
static pare_status remove_dense(const pare_checkpoint *model) {
    const char *folder = pare_checkpoint_directory(model);
    char *index = pare_path_join(folder, "model.safetensors.index.json");
    pare_status status = remove_file(index);
    free(index);
    for (size_t i = 0; i < pare_checkpoint_file_count(model) && status == PARE_OK; i++)
        status = remove_file(pare_checkpoint_file(model, i));
    return status == PARE_OK ? pare_durable_sync_folder(folder) : status;
}

pare_status pare_archive_replace(const char *folder, const pare_runtime *runtime, uint64_t *bytes) {
    pare_checkpoint *model;
    PARE_TRY(pare_checkpoint_open(folder, &model));
    char *path = pare_path_join(folder, PARE_ARCHIVE_NAME);
    pare_status status = pare_archive_write(model, folder, runtime, bytes);
    if (status == PARE_OK) {
        status = compare(model, path);
        if (status != PARE_OK) unlink(path);
    }
    if (status == PARE_OK) status = remove_dense(model);
    free(path);
    pare_checkpoint_close(model);
    return status;
}
