#include "checkpoint/output_check.h"
#include "checkpoint/gguf.h"
#include "checkpoint/output.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool is_empty(const char *path) {
    DIR *folder = opendir(path);
    int error = 0;
    bool empty = folder && !pare_folder_next(folder, &error) && !error;
    if (folder) closedir(folder);
    return empty;
}

/* *place: `target` as an absolute path without links, though its last component need not exist. */
static pare_status resolve(const char *target, char **place) {
    *place = NULL;
    if (!*target) return pare_fail(PARE_FILE_ERROR, "the name of the folder to write is empty");
    struct stat status;
    if (lstat(target, &status) == 0 && stat(target, &status) != 0)
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: it is a link to nothing", target);
    *place = pare_path_place(target);
    PARE_TRY(pare_whole());
    if (*place) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot write %s: there is no folder to write it in; create it first", target);
}

/* A name that people give to files of weights would be a folder's, and not what they look for. */
static pare_status check_name(const char *target) {
    static const char *const endings[] = {".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".ggml", ".onnx"};
    size_t length = strlen(target);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t bytes = strlen(endings[i]);
        if (length > bytes && strcasecmp(target + length - bytes, endings[i]) == 0)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "%s is a file's name, and a model is written as a folder, or as one file whose name ends "
                             "with .gguf; give such a name",
                             target);
    }
    return PARE_OK;
}

/* A GGUF file replaces one, and nothing else. */
static pare_status check_file(const char *target, const char *place, bool force) {
    if (pare_path_is_folder(place))
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: it is a folder; a name that ends with .gguf is a file's",
                         target);
    if (!force)
        return pare_fail(PARE_FILE_ERROR, "%s exists already; give another name, or --force to replace it", target);
    if (pare_gguf_is(place)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s is not replaced: it is no GGUF file; remove it yourself or give another name",
                     target);
}

static pare_status check_existing(const char *target, const char *place, bool force) {
    if (!pare_file_exists(place)) return PARE_OK;
    if (pare_output_is_gguf(target)) return check_file(target, place, force);
    if (!pare_path_is_folder(place))
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: it exists and is not a folder", target);
    if (!force)
        return pare_fail(PARE_FILE_ERROR, "%s exists already; give another folder, or --force to replace it", target);
    if (pare_folder_has(place, "config.json") || pare_folder_has(place, "adapter_config.json") || is_empty(place))
        return PARE_OK;
    return pare_fail(
        PARE_FILE_ERROR,
        "%s is not replaced: it has neither config.json nor adapter_config.json, so it does not look like a model; "
        "remove it yourself or give another folder",
        target);
}

static pare_status check_source(const char *target, const char *place, const char *source) {
    char real[PATH_MAX];
    if (!realpath(source, real)) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", source, strerror(errno));
    if (pare_path_within(place, real))
        return pare_fail(PARE_BAD_ARGUMENT, "%s is the input model's own folder %s, or lies in it; give another folder",
                         target, source);
    if (pare_path_within(real, place))
        return pare_fail(PARE_BAD_ARGUMENT, "%s has the input model %s inside; give another folder", target, source);
    return pare_whole();
}

static pare_status check_room(const char *target, const char *place, uint64_t needed) {
    char *parent = pare_format("%s", place);
    struct statvfs room;
    if (!parent) return pare_whole();
    pare_status status = PARE_OK;
    if (!pare_path_to_parent(parent) || access(parent, W_OK | X_OK) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: cannot create files in %s: %s", target, parent,
                           strerror(errno));
    else if (statvfs(parent, &room) == 0 && (uint64_t)room.f_bavail * room.f_frsize < needed)
        status = pare_fail(PARE_FILE_ERROR,
                           "cannot write %s: it needs %llu bytes (%.1f MiB), but %s has only %llu free (%.1f MiB)",
                           target, (unsigned long long)needed, (double)needed / 1048576.0, parent,
                           (unsigned long long)room.f_bavail * room.f_frsize,
                           (double)room.f_bavail * (double)room.f_frsize / 1048576.0);
    free(parent);
    return status;
}

pare_status pare_output_check(const char *target, const char *source, bool force, uint64_t needed, char **place) {
    pare_status status = resolve(target, place);
    if (status == PARE_OK) status = check_name(target);
    if (status == PARE_OK) status = check_source(target, *place, source);
    if (status == PARE_OK) status = check_existing(target, *place, force);
    if (status == PARE_OK) status = check_room(target, *place, needed);
    if (status == PARE_OK) return PARE_OK;
    free(*place);
    *place = NULL;
    return status;
}
