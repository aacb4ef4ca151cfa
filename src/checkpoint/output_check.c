#include "checkpoint/output_check.h"
#include "support/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_empty(const char *path) {
    DIR *folder = opendir(path);
    size_t entries = 0;
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder))
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (folder) closedir(folder);
    return folder && entries == 0;
}

/* Cuts the last component off an absolute path; false at the root. */
static bool to_parent(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash || !slash[1]) return false;
    slash[slash == path] = '\0';
    return true;
}

/* True if the absolute path `inner` is the folder `outer` or lies in it, by device and inode, so that neither links nor
 * mounts hide it. */
static bool lies_within(const char *inner, const char *outer) {
    struct stat wanted, here;
    if (stat(outer, &wanted) != 0) return false;
    char *path = pare_format("%s", inner);
    bool found = false;
    if (!path) return false;
    do
        found = stat(path, &here) == 0 && here.st_dev == wanted.st_dev && here.st_ino == wanted.st_ino;
    while (!found && to_parent(path));
    free(path);
    return found;
}

/* *place: `target` as an absolute path without links, though its last component need not exist. */
static pare_status resolve(const char *target, char **place) {
    char found[PATH_MAX];
    *place = NULL;
    if (pare_file_exists(target)) {
        if (!realpath(target, found))
            return pare_fail(PARE_FILE_ERROR, "cannot write %s: it is a link to nothing", target);
        *place = pare_format("%s", found);
        return pare_whole();
    }
    size_t length = strlen(target);
    while (length > 1 && target[length - 1] == '/')
        length--;
    char *trimmed = pare_format("%.*s", (int)length, target);
    if (!trimmed) return pare_whole();
    char *slash = strrchr(trimmed, '/');
    const char *name = slash ? slash + 1 : trimmed;
    char *parent =
        !slash ? pare_format(".") : pare_format("%.*s", (int)(slash == trimmed ? 1 : slash - trimmed), trimmed);
    pare_status status = pare_whole();
    if (status == PARE_OK && !*name)
        status = pare_fail(PARE_FILE_ERROR, "the name of the folder to write is empty");
    else if (status == PARE_OK && (!realpath(parent, found) || !is_folder(found)))
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: there is no folder %s; create it first", target, parent);
    else if (status == PARE_OK)
        *place = pare_path_join(found, name);
    free(parent);
    free(trimmed);
    return status == PARE_OK ? pare_whole() : status;
}

static bool has_file(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    bool found = pare_file_exists(path);
    free(path);
    return found;
}

static pare_status check_existing(const char *target, const char *place, bool force) {
    if (!pare_file_exists(place)) return PARE_OK;
    if (!is_folder(place)) return pare_fail(PARE_FILE_ERROR, "cannot write %s: it exists and is not a folder", target);
    if (!force)
        return pare_fail(PARE_FILE_ERROR, "%s exists already; give another folder, or --force to replace it", target);
    if (has_file(place, "config.json") || has_file(place, "adapter_config.json") || is_empty(place)) return PARE_OK;
    return pare_fail(
        PARE_FILE_ERROR,
        "%s is not replaced: it has neither config.json nor adapter_config.json, so it does not look like a model; "
        "remove it yourself or give another folder",
        target);
}

/* what: whose folder `source` is. */
static pare_status check_source(const char *target, const char *place, const char *source, const char *what) {
    char real[PATH_MAX];
    if (!realpath(source, real)) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", source, strerror(errno));
    if (lies_within(place, real))
        return pare_fail(PARE_BAD_ARGUMENT, "%s is the %s's own folder %s, or lies in it; give another folder", target,
                         what, source);
    if (lies_within(real, place))
        return pare_fail(PARE_BAD_ARGUMENT, "%s has the %s %s inside; give another folder", target, what, source);
    return pare_whole();
}

static pare_status check_room(const char *target, const char *place, uint64_t needed) {
    char *parent = pare_format("%s", place);
    struct statvfs room;
    if (!parent) return pare_whole();
    pare_status status = PARE_OK;
    if (!to_parent(parent) || access(parent, W_OK | X_OK) != 0)
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
    if (status == PARE_OK) status = check_source(target, *place, source, "input model");
    if (status == PARE_OK) status = check_existing(target, *place, force);
    if (status == PARE_OK) status = check_room(target, *place, needed);
    if (status == PARE_OK) return PARE_OK;
    free(*place);
    *place = NULL;
    return status;
}

pare_status pare_output_check_apart(const char *target, const char *source, const char *what) {
    char *place;
    PARE_TRY(resolve(target, &place));
    pare_status status = check_source(target, place, source, what);
    free(place);
    return status;
}
