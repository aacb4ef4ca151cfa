#include "report/staged.h"
#include "checkpoint/temporary.h"
#include "support/file.h"
#include "support/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* True if the folder `inner` is `outer` or lies in it; both without links. */
static bool lies_within(const char *inner, const char *outer) {
    size_t length = strlen(outer);
    if (strncmp(inner, outer, length) != 0) return false;
    return inner[length] == '\0' || inner[length] == '/' || (length && outer[length - 1] == '/');
}

/* folder: of `path`, without links. */
static pare_status check_folder(const char *path, const char *folder, const char *model, const char *which) {
    char real[PATH_MAX];
    if (!model || !realpath(model, real) || !lies_within(folder, real)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s lies in the folder of the %s model, %s; give another place", path, which,
                     model);
}

pare_status pare_staged_check(const char *path, const char *input, const char *output) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    char *parent = slash ? pare_format("%.*s", (int)(slash == path ? 1 : slash - path), path) : pare_format(".");
    pare_status status = PARE_OK;
    if (is_folder(path) || (slash ? !slash[1] : !*path))
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: it is a folder, not a file", path);
    else if (!parent)
        status = pare_whole();
    else if (!realpath(parent, folder) || !is_folder(folder))
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: there is no folder %s; create it first", path, parent);
    else if (access(folder, W_OK | X_OK) != 0)
        status =
            pare_fail(PARE_FILE_ERROR, "cannot write %s: cannot create files in %s: %s", path, parent, strerror(errno));
    if (status == PARE_OK && output && strcmp(path, output) == 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot write %s: it is the output folder; name a file beside it", path);
    if (status == PARE_OK) status = check_folder(path, folder, input, "input");
    if (status == PARE_OK) status = check_folder(path, folder, output, "output");
    free(parent);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_staged_write_text(const char *text, const char *path, pare_staged *out) {
    pare_durable file;
    *out = (pare_staged){.path = pare_format("%s", path)};
    if (!out->path) return pare_whole();
    pare_temporary_sweep(path);
    pare_status status = pare_temporary_file(path, strlen(text), &file, &out->temporary, &out->lock);
    out->locked = status == PARE_OK && out->lock >= 0;
    if (status == PARE_OK) status = pare_durable_put_text(&file, text);
    if (status != PARE_OK) pare_staged_drop(out);
    return status;
}

pare_status pare_staged_write(json_t *json, const char *path, pare_staged *out) {
    char *text = NULL;
    *out = (pare_staged){0};
    PARE_TRY(pare_json_text(json, &text));
    pare_status status = pare_staged_write_text(text, path, out);
    pare_free(text);
    return status;
}

pare_status pare_staged_place(pare_staged *staged) {
    if (!staged->temporary) return PARE_OK;
    if (rename(staged->temporary, staged->path) != 0)
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", staged->path, strerror(errno));
    free(staged->temporary);
    staged->temporary = NULL;
    return PARE_OK;
}

void pare_staged_drop(pare_staged *staged) {
    if (staged->temporary) unlink(staged->temporary);
    if (staged->locked) close(staged->lock);
    free(staged->temporary);
    free(staged->path);
    *staged = (pare_staged){0};
}
