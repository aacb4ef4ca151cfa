#include "support/folder.h"

#include <errno.h>
#include <string.h>

struct dirent *pare_folder_next(DIR *folder, int *error) {
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(folder);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    if (!entry && errno) *error = errno;
    return entry;
}
