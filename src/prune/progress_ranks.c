/* A round's model that a run of several ranks takes up: the first rank's folder has it, the others get its files into
 * their scratch folders. */
#include "checkpoint/durable.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/memory.h"
#include "support/peer.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file of the model; name "": there is no more. */
typedef struct part {
    char name[256];
    uint64_t bytes;
} part;

enum { PIECE = 1 << 20 };

static bool is_part(const char *name) {
    static const char *const patterns[] = {"config.json", "*.safetensors", "*.safetensors.index.json"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, FNM_PERIOD) == 0) return true;
    return false;
}

static pare_status send_part(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    pare_mapping file;
    pare_status status = pare_mapping_open(path, &file);
    free(path);
    PARE_TRY(status);
    part p = {.bytes = file.bytes};
    snprintf(p.name, sizeof p.name, "%s", name);
    status = pare_peer_broadcast(&p, sizeof p, 0);
    for (uint64_t at = 0; at < p.bytes && status == PARE_OK; at += PIECE) {
        size_t count = p.bytes - at < PIECE ? (size_t)(p.bytes - at) : PIECE;
        status = pare_peer_broadcast((void *)(uintptr_t)(file.data + at), count, 0);
    }
    pare_mapping_close(&file);
    return status;
}

static pare_status send_parts(const char *folder) {
    const part end = {0};
    int error = 0;
    pare_status status = PARE_OK;
    DIR *directory = opendir(folder);
    if (!directory) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", folder, strerror(errno));
    for (struct dirent *entry; status == PARE_OK && (entry = pare_folder_next(directory, &error));)
        if (is_part(entry->d_name)) status = send_part(folder, entry->d_name);
    closedir(directory);
    if (error) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", folder, strerror(error));
    part last = end;
    return status == PARE_OK ? pare_peer_broadcast(&last, sizeof last, 0) : status;
}

static pare_status receive_bytes(pare_durable *file, uint64_t bytes) {
    char *room;
    PARE_TRY(pare_alloc_uninitialized(&room, PIECE, 1, "a round's model"));
    pare_status status = PARE_OK;
    for (uint64_t at = 0; at < bytes && status == PARE_OK; at += PIECE) {
        size_t count = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        status = pare_peer_broadcast(room, count, 0);
        if (status == PARE_OK) status = pare_durable_write(file, room, count);
    }
    pare_free(room);
    return status;
}

static pare_status receive_part(const char *folder, const part *p) {
    char *path = pare_path_join(folder, p->name);
    pare_durable file;
    pare_status status = pare_durable_create(path, p->bytes, &file);
    free(path);
    PARE_TRY(status);
    status = receive_bytes(&file, p->bytes);
    if (status == PARE_OK) return pare_durable_finish(&file);
    pare_durable_drop(&file);
    return status;
}

static pare_status receive_parts(const char *folder) {
    for (part p;;) {
        PARE_TRY(pare_peer_broadcast(&p, sizeof p, 0));
        if (!*p.name) return PARE_OK;
        PARE_TRY(receive_part(folder, &p));
    }
}

static pare_status receive_model(pare_prune_job *job) {
    const char *scratch = job->runtime ? job->runtime->scratch : NULL;
    pare_temporary_model next;
    pare_status status = pare_temporary_model_folder(job->model, scratch, job->runtime, &next);
    if (status == PARE_OK) status = receive_parts(next.folder);
    if (status == PARE_OK) status = pare_temporary_model_open(&next, job->origin);
    if (status != PARE_OK) {
        pare_temporary_model_free(&next);
        return status;
    }
    pare_temporary_model_free(&job->temporary);
    job->temporary = next;
    job->current = next.model;
    return PARE_OK;
}

pare_status pare_prune_share_round(pare_prune_job *job, const char *folder) {
    if (pare_peer_count() == 1) return PARE_OK;
    return pare_peer_rank() ? receive_model(job) : send_parts(folder);
}

pare_status pare_prune_share_record(char **text, size_t *bytes) {
    uint64_t count = *text ? *bytes : 0;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_broadcast(&count, sizeof count, 0));
    if (!count) return PARE_OK;
    if (pare_peer_rank()) PARE_TRY(pare_alloc_uninitialized(text, (size_t)count + 1, 1, "the progress"));
    *bytes = (size_t)count;
    return pare_peer_broadcast(*text, (size_t)count, 0);
}
