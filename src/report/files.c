#include "report/files.h"
#include "support/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

pare_status pare_report_files(const char *folder, json_t **list, uint64_t *bytes) {
    enum { MOST = 4096 };
    char *names[MOST];
    size_t count = 0;
    DIR *directory = opendir(folder);
    *list = json_array();
    *bytes = 0;
    if (!directory) return pare_fail(PARE_FILE_ERROR, "cannot list %s", folder);
    for (struct dirent *entry; (entry = readdir(directory)) && count < MOST;)
        if (entry->d_name[0] != '.' && (names[count] = pare_format("%s", entry->d_name))) count++;
    closedir(directory);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        char *path = pare_path_join(folder, names[i]);
        struct stat status;
        if (path && stat(path, &status) == 0) *bytes += (uint64_t)status.st_size;
        pare_json_append(*list, pare_json_name(names[i]));
        free(path);
        free(names[i]);
    }
    return pare_whole();
}
