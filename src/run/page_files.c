#include "run/page_files.h"
#include "support/file.h"
#include "support/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pare_status add(pare_page_files *files, const char *path, const char *text) {
    if (!path) return pare_whole();
    PARE_TRY(pare_staged_check(path));
    PARE_TRY(pare_staged_write_text(text, path, &files->list[files->count]));
    files->count++;
    return PARE_OK;
}

pare_status pare_page_folder_check(const char *folder) {
    if (!pare_file_exists(folder) || pare_path_is_folder(folder)) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--figures %s: it is no folder; name another", folder);
}

static pare_status make_folder(const char *folder, char **made) {
    PARE_TRY(pare_page_folder_check(folder));
    *made = pare_format("%s", folder);
    if (!*made) return pare_whole();
    if (mkdir(folder, 0777) == 0) return PARE_OK;
    free(*made);
    *made = NULL;
    if (errno == EEXIST) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot make the folder %s: %s", folder, strerror(errno));
}

pare_status pare_page_files_write(const char *file, const char *html, const char *folder,
                                  const pare_page_figures *figures, pare_page_files *out) {
    *out = (pare_page_files){.list = calloc(figures->count + 1, sizeof *out->list)};
    if (!out->list) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the names of files");
    if (file) PARE_TRY(add(out, file, html));
    if (folder) PARE_TRY(make_folder(folder, &out->made));
    for (size_t i = 0; folder && i < figures->count; i++) {
        char *path = pare_path_join(folder, figures->list[i].name);
        pare_status status = add(out, path, figures->list[i].svg);
        free(path);
        PARE_TRY(status);
    }
    return pare_whole();
}

pare_status pare_page_files_place(pare_page_files *files) {
    return pare_staged_place_all(files->list, files->count);
}

void pare_page_files_drop(pare_page_files *files) {
    for (size_t i = 0; i < files->count; i++)
        pare_staged_drop(&files->list[i]);
    if (files->made) rmdir(files->made);
    free(files->made);
    free(files->list);
    *files = (pare_page_files){0};
}
