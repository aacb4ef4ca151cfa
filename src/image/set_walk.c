/* Pictures in folders. A name says that a file is meant as a picture, else its first bytes do. */
#include "image/set_internal.h"
#include "support/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEEPEST = 16, SNIFFED = 32, FIRST_ROOM = 64 };

static const char *const endings[] = {".png",  ".apng", ".jpg",  ".jpeg", ".jpe", ".jfif", ".gif",
                                      ".webp", ".bmp",  ".tif",  ".tiff", ".ppm", ".pgm",  ".pbm",
                                      ".heic", ".heif", ".avif", ".jp2",  ".j2k", ".jxl"};

static bool has_picture_name(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcasecmp(name + length - ending, endings[i]) == 0) return true;
    }
    return false;
}

static bool has_picture_bytes(const char *path) {
    unsigned char first[SNIFFED];
    size_t got = pare_file_begin(path, first, sizeof first);
    return got && pare_image_begins(first, got);
}

pare_status pare_image_set_add(pare_image_set *set, const char *name, int32_t label) {
    if (set->count == INT32_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s holds more than %d pictures", pare_image_set_root(set), INT32_MAX);
    if (set->count == set->room) {
        uint32_t room = set->room ? set->room > INT32_MAX / 2 ? INT32_MAX : 2 * set->room : FIRST_ROOM;
        pare_image_entry *entries;
        PARE_TRY(pare_alloc(&entries, room, sizeof *entries, "a list of pictures"));
        if (set->count) memcpy(entries, set->entries, set->count * sizeof *entries);
        pare_free(set->entries);
        set->entries = entries;
        set->room = room;
    }
    size_t at = set->names.bytes;
    PARE_TRY(pare_buffer_append(&set->names, name, strlen(name) + 1));
    set->entries[set->count++] = (pare_image_entry){at, label};
    return PARE_OK;
}

static pare_status leave_out(pare_image_set *set, const char *name) {
    if (!set->others++) set->first_other = pare_format("%s", name);
    return set->first_other ? PARE_OK : pare_whole();
}

static pare_status walk(pare_image_set *set, const char *folder, int32_t label, int depth);

static pare_status visit(pare_image_set *set, const char *name, int32_t label, int depth) {
    char *path = pare_image_set_path(set, name);
    struct stat info;
    pare_status status = path ? PARE_OK : pare_whole();
    if (status == PARE_OK && stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            status = walk(set, name, label, depth + 1);
        else if (has_picture_name(name) || (S_ISREG(info.st_mode) && has_picture_bytes(path)))
            status = pare_image_set_add(set, name, label);
        else
            status = leave_out(set, name);
    } else if (status == PARE_OK) {
        status = pare_fail(PARE_FILE_ERROR, "cannot look at %s: %s", path, strerror(errno));
    }
    free(path);
    return status;
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

pare_status pare_image_set_scan(const pare_image_set *set, const char *folder, struct dirent ***names, int *count) {
    char *path = pare_image_set_path(set, folder);
    if (!path) return pare_whole();
    *count = scandir(path, names, is_shown, by_bytes);
    pare_status status = PARE_OK;
    if (*count < 0)
        status = pare_fail(errno == ENOMEM ? PARE_OUT_OF_MEMORY : PARE_FILE_ERROR, "cannot read %s: %s", path,
                           strerror(errno));
    free(path);
    return status;
}

static pare_status walk(pare_image_set *set, const char *folder, int32_t label, int depth) {
    struct dirent **names;
    int count = 0;
    PARE_TRY(pare_interrupted());
    if (depth > DEEPEST)
        return pare_fail(PARE_FILE_ERROR,
                         "%s%s lies more than %d folders deep; give the folder that holds the pictures",
                         pare_image_set_root(set), folder, DEEPEST);
    PARE_TRY(pare_image_set_scan(set, folder, &names, &count));
    size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] != '/' ? "/" : "";
    pare_status status = PARE_OK;
    for (int i = 0; i < count; i++) {
        if (status == PARE_OK) {
            char *name = pare_format("%s%s%s", folder, slash, names[i]->d_name);
            status = name ? visit(set, name, label, depth) : pare_whole();
            free(name);
        }
        free(names[i]);
    }
    free(names);
    return status;
}

pare_status pare_image_set_walk(pare_image_set *set, const char *folder, int32_t label) {
    return walk(set, folder, label, 0);
}
