#include "surgery/staged_model.h"
#include "checkpoint/temporary.h"
#include "model/companions.h"
#include "model/patches.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/runtime.h"
#include "surgery/cut.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What every temporary model has of its own. */
static bool is_own(const char *name) {
    static const char *const patterns[] = {".*",    "config.json", "*.safetensors", "*.safetensors.index.json",
                                           "*.bin", "*.pth",       "params.json",   "*.bin.index.json"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, 0) == 0) return true;
    return false;
}

/* A link to the file itself: what it was reached through may be a temporary model's folder, too. */
static pare_status link_file(const char *from, const char *folder, const char *name) {
    char real[PATH_MAX];
    struct stat found;
    bool there = realpath(from, real) && stat(real, &found) == 0;
    if (!there && !pare_file_absent(errno))
        return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", from, strerror(errno));
    if (!there || !S_ISREG(found.st_mode)) return PARE_OK;
    char *link = pare_path_join(folder, name);
    pare_status status = PARE_OK;
    if (symlink(real, link) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot link to %s from %s: %s; name another folder with --scratch", real,
                           folder, strerror(errno));
    free(link);
    return status;
}

static pare_status link_files(const char *source, const char *folder) {
    DIR *directory = opendir(source);
    if (!directory) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", source, strerror(errno));
    pare_status status = PARE_OK;
    int error = 0;
    for (struct dirent *entry; status == PARE_OK && (entry = pare_folder_next(directory, &error));) {
        if (is_own(entry->d_name)) continue;
        char *from = pare_path_join(source, entry->d_name);
        status = link_file(from, folder, entry->d_name);
        free(from);
    }
    closedir(directory);
    return error ? pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", source, strerror(error)) : status;
}

void pare_temporary_model_free(pare_temporary_model *temporary) {
    pare_model_close(temporary->model);
    if (temporary->folder) {
        pare_folder_remove(temporary->folder);
        if (temporary->lock >= 0) close(temporary->lock);
    }
    free(temporary->folder);
    *temporary = (pare_temporary_model){0};
}

static pare_status write_config(const pare_model *model, const pare_selection *selection, const char *folder) {
    char *config, *path = pare_path_join(folder, "config.json");
    pare_config_kind kind;
    pare_status status = pare_cut_config(model, selection, &config, &kind);
    if (status == PARE_OK) status = pare_durable_write_text(path, config);
    free(config);
    free(path);
    return status;
}

pare_status pare_temporary_model_folder(const pare_model *model, const char *scratch, const pare_runtime *runtime,
                                        pare_temporary_model *out) {
    const char *parent = scratch && *scratch ? scratch : pare_runtime_scratch(runtime);
    *out = (pare_temporary_model){0};
    PARE_TRY(pare_temporary_scratch(parent, "pare-model", &out->folder, &out->lock));
    const char *beside;
    PARE_TRY(pare_model_companions(model, &beside));
    return link_files(beside, out->folder);
}

pare_status pare_temporary_model_begin(const pare_model *model, const pare_selection *selection, const char *scratch,
                                       const pare_runtime *runtime, pare_temporary_model *out) {
    PARE_TRY(pare_temporary_model_folder(model, scratch, runtime, out));
    return write_config(model, selection, out->folder);
}

pare_status pare_temporary_model_open(pare_temporary_model *temporary, const pare_model *from) {
    PARE_TRY(pare_model_open(temporary->folder, &temporary->model));
    const pare_checkpoint *checkpoint = temporary->model->checkpoint;
    for (size_t i = 0; i < pare_checkpoint_file_count(checkpoint); i++)
        unlink(pare_checkpoint_file(checkpoint, i));
    return pare_model_share_album(temporary->model, from);
}

pare_status pare_temporary_model_new(const pare_model *model, const pare_selection *selection,
                                     const pare_repaired *repaired, const char *scratch, const pare_runtime *runtime,
                                     pare_temporary_model *out) {
    pare_status status = pare_temporary_model_begin(model, selection, scratch, runtime, out);
    if (status == PARE_OK) status = pare_cut_write(model, selection, repaired, out->folder, runtime);
    if (status == PARE_OK) status = pare_temporary_model_open(out, model);
    if (status != PARE_OK) pare_temporary_model_free(out);
    return status;
}
