#include "run/paths.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/path.h"

#include <stdlib.h>
#include <string.h>

static void add(pare_path_list *list, const char *option, const char *path, pare_path_kind kind) {
    if (!path || list->full) return;
    pare_path_use *items = realloc(list->items, (list->count + 1) * sizeof *items);
    list->full = !items;
    if (!items) return;
    list->items = items;
    pare_path_use *use = &items[list->count++];
    if (kind == PARE_PATH_DATA) kind = pare_path_is_folder(path) ? PARE_PATH_FOLDER : PARE_PATH_FILE;
    *use = (pare_path_use){pare_format("%s", option), pare_format("%s", path), kind};
    list->full = !use->option || !use->path;
}

void pare_paths_read(pare_paths *paths, const char *option, const char *path, pare_path_kind kind) {
    add(&paths->reads, option, path, kind);
}

void pare_paths_write(pare_paths *paths, const char *option, const char *path, pare_path_kind kind) {
    add(&paths->writes, option, path, kind);
}

/* A model's files may be links to others, as in the cache of a hub. */
static pare_status is_file_of(const char *path, const char *folder, bool *found) {
    int error = 0;
    DIR *entries = opendir(folder);
    *found = false;
    for (struct dirent *entry; entries && !*found && (entry = pare_folder_next(entries, &error));) {
        if (entry->d_name[0] == '.') continue;
        char *file = pare_path_join(folder, entry->d_name);
        *found = file && pare_path_same(file, path);
        free(file);
    }
    if (entries) closedir(entries);
    return error ? pare_fail(PARE_FILE_ERROR, "cannot list %s: %s", folder, strerror(error)) : PARE_OK;
}

static pare_status refuse(const pare_path_use *written, const char *how, const pare_path_use *other, bool read) {
    return pare_fail(PARE_BAD_ARGUMENT, "%s %s %s %s %s, which this run %s; give another place", written->option,
                     written->path, how, other->option, other->path, read ? "reads" : "writes, too");
}

static pare_status check_read(const pare_path_use *written, const pare_path_use *read) {
    bool folder = read->kind == PARE_PATH_FOLDER;
    if (folder ? pare_path_within(written->path, read->path) : pare_path_same(written->path, read->path))
        return refuse(written, pare_path_same(written->path, read->path) ? "is the same as" : "lies in", read, true);
    bool inside = false;
    if (folder && written->kind != PARE_PATH_FOLDER) PARE_TRY(is_file_of(written->path, read->path, &inside));
    if (inside) return refuse(written, "is a file of", read, true);
    if (written->kind == PARE_PATH_FOLDER && pare_path_within(read->path, written->path))
        return refuse(written, "has inside", read, true);
    return PARE_OK;
}

static pare_status check_written(const pare_path_use *written, const pare_path_use *other) {
    if (written->kind == PARE_PATH_SCRATCH || other->kind == PARE_PATH_SCRATCH) return PARE_OK;
    if (pare_path_same(written->path, other->path)) return refuse(written, "is the same as", other, false);
    if (other->kind == PARE_PATH_FOLDER && pare_path_within(written->path, other->path))
        return refuse(written, "lies in", other, false);
    return PARE_OK;
}

pare_status pare_paths_check(const pare_paths *paths) {
    const pare_path_list *reads = &paths->reads, *writes = &paths->writes;
    if (reads->full || writes->full) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the names of files");
    PARE_TRY(pare_whole());
    for (size_t i = 0; i < writes->count; i++) {
        for (size_t j = 0; j < reads->count; j++)
            PARE_TRY(check_read(&writes->items[i], &reads->items[j]));
        for (size_t j = 0; j < writes->count; j++)
            if (j != i) PARE_TRY(check_written(&writes->items[i], &writes->items[j]));
    }
    return pare_whole(); /* of the names that were made to compare */
}

static void free_list(pare_path_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].option);
        free(list->items[i].path);
    }
    free(list->items);
    *list = (pare_path_list){0};
}

void pare_paths_free(pare_paths *paths) {
    free_list(&paths->reads);
    free_list(&paths->writes);
}
