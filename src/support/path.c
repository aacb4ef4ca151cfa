#include "support/path.h"
#include "support/file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *pare_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

bool pare_path_is_folder(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

char *pare_path_place(const char *path) {
    char found[PATH_MAX];
    if (realpath(path, found)) return pare_format("%s", found);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *trimmed = pare_format("%.*s", (int)length, path), *slash = trimmed ? strrchr(trimmed, '/') : NULL;
    char *place = NULL;
    if (!trimmed) return NULL;
    const char *name = slash ? slash + 1 : trimmed;
    char *parent = pare_path_parent(trimmed);
    if (*name && parent && realpath(parent, found) && pare_path_is_folder(found)) place = pare_path_join(found, name);
    free(parent);
    free(trimmed);
    return place;
}

bool pare_path_to_parent(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash || !slash[1]) return false;
    slash[slash == path] = '\0';
    return true;
}

static bool same_inode(const char *a, const char *b) {
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

bool pare_path_same(const char *a, const char *b) {
    if (pare_file_exists(a) && pare_file_exists(b)) return same_inode(a, b);
    char *first = pare_path_place(a), *second = pare_path_place(b);
    bool same = first && second && strcmp(first, second) == 0;
    free(first);
    free(second);
    return same;
}

bool pare_path_within(const char *inner, const char *outer) {
    char *path = pare_path_place(inner);
    bool found = false;
    if (path && pare_path_is_folder(outer)) do
            found = same_inode(path, outer);
        while (!found && pare_path_to_parent(path));
    free(path);
    return found;
}
