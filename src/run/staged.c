#include "run/staged.h"
#include "checkpoint/temporary.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder, a device or a pipe would be lost to the file that took its name. */
static bool is_replaceable(const char *path) {
    struct stat there;
    const char *slash = strrchr(path, '/');
    bool named = slash ? slash[1] : *path;
    return named && (stat(path, &there) != 0 || S_ISREG(there.st_mode));
}

pare_status pare_staged_check(const char *path) {
    char *folder = pare_path_parent(path);
    pare_status status = PARE_OK;
    if (!is_replaceable(path))
        status =
            pare_fail(PARE_BAD_ARGUMENT, "cannot write %s: it is no file that could be replaced; name another", path);
    else if (!folder)
        status = pare_whole();
    else if (!pare_path_is_folder(folder))
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: there is no folder %s; create it first", path, folder);
    else if (access(folder, W_OK | X_OK) != 0)
        status =
            pare_fail(PARE_FILE_ERROR, "cannot write %s: cannot create files in %s: %s", path, folder, strerror(errno));
    free(folder);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_staged_write_bytes(const void *bytes, size_t size, const char *path, pare_staged *out) {
    pare_durable file;
    *out = (pare_staged){0};
    if (!path) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the name of a file that is to be written");
    out->path = pare_format("%s", path);
    if (!out->path) return pare_whole();
    pare_temporary_sweep(path);
    pare_status status = pare_temporary_file(path, size, &file, &out->temporary, &out->lock);
    out->locked = status == PARE_OK && out->lock >= 0;
    if (status == PARE_OK) status = pare_durable_put(&file, bytes, size);
    if (status != PARE_OK) pare_staged_drop(out);
    return status;
}

pare_status pare_staged_write_text(const char *text, const char *path, pare_staged *out) {
    return pare_staged_write_bytes(text, strlen(text), path, out);
}

pare_status pare_staged_write(json_t *json, const char *path, pare_staged *out) {
    char *text = NULL;
    *out = (pare_staged){0};
    PARE_TRY(pare_json_text_of(json, path, &text));
    pare_status status = pare_staged_write_text(text, path, out);
    pare_free(text);
    return status;
}

/* What is there stays under a second name, where the file system has such, or under that alone. */
static pare_status keep_previous(pare_staged *staged) {
    struct stat there;
    bool found = lstat(staged->path, &there) == 0;
    if (!found && pare_file_absent(errno)) return PARE_OK;
    if (!found) return pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", staged->path, strerror(errno));
    char *previous = pare_temporary_previous(staged->temporary);
    if (!previous) return pare_whole();
    staged->hold = pare_temporary_hold(staged->path);
    staged->held = staged->hold >= 0;
    bool folder = S_ISDIR(there.st_mode), linked = !folder && link(staged->path, previous) == 0;
    staged->moved = !folder && !linked && errno != EEXIST && rename(staged->path, previous) == 0;
    if (linked || staged->moved) {
        staged->previous = previous;
        return PARE_OK;
    }
    free(previous);
    return pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", staged->path,
                     S_ISDIR(there.st_mode) ? "it is a folder now" : strerror(errno));
}

pare_status pare_staged_place(pare_staged *staged) {
    if (!staged->temporary) return PARE_OK;
    PARE_TRY(keep_previous(staged));
    pare_temporary_publish(staged->temporary);
    PARE_TRY(pare_whole());
    if (rename(staged->temporary, staged->path) != 0)
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", staged->path, strerror(errno));
    free(staged->temporary);
    staged->temporary = NULL;
    return PARE_OK;
}

void pare_staged_undo(pare_staged *staged) {
    bool placed = staged->path && !staged->temporary;
    if (staged->previous && !placed && !staged->moved)
        unlink(staged->previous); /* which has the path's name, too: renaming would do nothing */
    else if (staged->previous)
        rename(staged->previous, staged->path);
    else if (placed)
        unlink(staged->path);
    free(staged->previous);
    staged->previous = NULL;
}

/* Of all that were placed, each folder once where they follow each other. */
static pare_status sync_folders(const pare_staged *list, size_t count) {
    pare_status status = PARE_OK;
    char *last = NULL;
    for (size_t i = 0; i < count && status == PARE_OK; i++) {
        char *folder = list[i].path ? pare_path_parent(list[i].path) : NULL;
        bool again = folder && last && strcmp(folder, last) == 0;
        if (folder && !again) status = pare_durable_sync_folder(folder);
        free(last);
        last = folder;
    }
    free(last);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_staged_place_all(pare_staged *list, size_t count) {
    size_t placed = 0;
    pare_status status = PARE_OK;
    while (status == PARE_OK && placed < count)
        status = pare_staged_place(&list[placed++]);
    if (status == PARE_OK) status = sync_folders(list, count);
    while (status != PARE_OK && placed--)
        pare_staged_undo(&list[placed]);
    return status;
}

void pare_staged_drop(pare_staged *staged) {
    if (staged->temporary) unlink(staged->temporary);
    if (staged->previous) unlink(staged->previous);
    if (staged->locked) close(staged->lock);
    if (staged->held) close(staged->hold);
    free(staged->temporary);
    free(staged->previous);
    free(staged->path);
    *staged = (pare_staged){0};
}
