/* The parts of a path, and which place it leads to: compared by device and inode, so that neither links nor mounts hide
 * it. */
#ifndef PARE_SUPPORT_PATH_H
#define PARE_SUPPORT_PATH_H

#include <stdbool.h>

/* What stands behind the last slash of `path`, for people to read; the whole path where nothing does. */
const char *pare_path_name(const char *path);

bool pare_path_is_folder(const char *path);

/* `path` as an absolute path without links, though its last component need not exist (one that is a link to nothing
 * stays as it is); freed with free(). NULL if the folder that it lies in does not exist. */
char *pare_path_place(const char *path);

/* Cuts the last component off an absolute path; false at the root. */
bool pare_path_to_parent(char *path);

/* True if both lead to the same file or folder, or, where none is there yet, would. */
bool pare_path_same(const char *a, const char *b);

/* True if `inner` is the folder `outer` or lies in it; `inner` need not exist. */
bool pare_path_within(const char *inner, const char *outer);

#endif
