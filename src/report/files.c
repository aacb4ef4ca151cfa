#include "report/files.h"
#include "support/file.h"
#include "support/folder.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static pare_status add(pare_file_list *list, const char *folder, const char *name) {
    char **names = realloc(list->names, (list->count + 1) * sizeof *names);
    if (!names) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the names of files");
    list->names = names;
    names[list->count] = pare_format("%s", name);
    if (!names[list->count]) return pare_whole();
    list->count++;
    char *path = pare_path_join(folder, name);
    list->bytes += pare_file_bytes(path);
    free(path);
    return pare_whole();
}

pare_status pare_file_list_read(const char *folder, pare_file_list *out) {
    DIR *directory = opendir(folder);
    if (!directory) return pare_fail(PARE_FILE_ERROR, "cannot list %s", folder);
    pare_status status = PARE_OK;
    int error = 0;
    for (struct dirent *entry; status == PARE_OK && (entry = pare_folder_next(directory, &error));)
        if (entry->d_name[0] != '.') status = add(out, folder, entry->d_name);
    closedir(directory);
    if (error) status = pare_fail(PARE_FILE_ERROR, "cannot list %s: %s", folder, strerror(error));
    if (out->count) qsort(out->names, out->count, sizeof *out->names, by_name);
    if (status != PARE_OK) pare_file_list_free(out);
    return status;
}

void pare_file_list_free(pare_file_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    free(list->kind);
    free(list->load);
    free(list->note);
    *list = (pare_file_list){0};
}

json_t *pare_report_files(const pare_file_list *list) {
    json_t *json = json_array();
    for (size_t i = 0; i < list->count; i++)
        pare_json_append(json, pare_json_name(list->names[i]));
    return json;
}
