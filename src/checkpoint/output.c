#include "checkpoint/output.h"
#include "checkpoint/durable.h"
#include "checkpoint/output_check.h"
#include "support/file.h"
#include "support/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct pare_output {
    char *target, *source;
    char *place;     /* the target without links */
    char *temporary; /* beside it */
    bool replaces;   /* the target was there when the work began */
};

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static bool remove_tree(const char *path) {
    enum { OPEN_FOLDERS = 16 };
    return nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0;
}

static void release(pare_output *output) {
    free(output->target);
    free(output->source);
    free(output->place);
    free(output->temporary);
    pare_free(output);
}

/* mkdtemp would make a folder that only its owner may enter; this one gets the usual permissions. */
static pare_status make_temporary(pare_output *output) {
    enum { ATTEMPTS = 100 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t suffix;
        if (getrandom(&suffix, sizeof suffix, 0) != (ssize_t)sizeof suffix) break;
        output->temporary = pare_format("%s.pare-%06x", output->place, suffix & 0xffffffu);
        if (!output->temporary) break;
        if (mkdir(output->temporary, 0777) == 0) return PARE_OK;
        int error = errno;
        free(output->temporary);
        output->temporary = NULL;
        errno = error;
        if (error != EEXIST) break;
    }
    return pare_fail(PARE_FILE_ERROR, "cannot create a folder beside %s: %s", output->target, strerror(errno));
}

pare_status pare_output_begin(const char *target, const char *source, bool force, uint64_t needed, pare_output **out) {
    char *place;
    pare_output *output;
    *out = NULL;
    PARE_TRY(pare_output_check(target, source, force, needed, &place));
    pare_status status = pare_alloc(&output, 1, sizeof *output, "an output folder");
    if (status != PARE_OK) {
        free(place);
        return status;
    }
    *output = (pare_output){.target = pare_format("%s", target),
                            .source = pare_format("%s", source),
                            .place = place,
                            .replaces = pare_file_exists(place)};
    status = pare_whole();
    if (status == PARE_OK) status = make_temporary(output);
    if (status == PARE_OK)
        *out = output;
    else
        release(output);
    return status;
}

const char *pare_output_path(const pare_output *output) {
    return output->temporary;
}

pare_status pare_output_write_text(const pare_output *output, const char *name, const char *text) {
    char *path = pare_path_join(output->temporary, name);
    pare_status status = pare_durable_write_text(path, text);
    free(path);
    return status;
}

static bool is_carried_over(const char *name) {
    static const char *const patterns[] = {"tokenizer.json",
                                           "tokenizer.model",
                                           "tokenizer_config.json",
                                           "added_tokens.json",
                                           "special_tokens_map.json",
                                           "generation_config.json",
                                           "chat_template.*",
                                           "vocab.json",
                                           "merges.txt",
                                           "LICENSE*",
                                           "NOTICE*",
                                           "USE_POLICY*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (fnmatch(patterns[i], name, FNM_CASEFOLD) == 0) return true;
    return false;
}

static pare_status copy_file(const char *from, const char *to) {
    pare_mapping input;
    pare_durable file;
    PARE_TRY(pare_mapping_open(from, &input));
    pare_status status = pare_durable_create(to, input.bytes, &file);
    if (status == PARE_OK) {
        status = pare_durable_write(&file, input.data, input.bytes);
        if (status == PARE_OK) status = pare_durable_finish(&file);
        pare_durable_drop(&file);
    }
    pare_mapping_close(&input);
    return status;
}

pare_status pare_output_carry_over(const pare_output *output) {
    DIR *folder = opendir(output->source);
    if (!folder) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", output->source, strerror(errno));
    pare_status status = PARE_OK;
    for (struct dirent *entry = readdir(folder); entry && status == PARE_OK; entry = readdir(folder)) {
        if (!is_carried_over(entry->d_name)) continue;
        char *from = pare_path_join(output->source, entry->d_name),
             *to = pare_path_join(output->temporary, entry->d_name);
        struct stat found;
        if (from && stat(from, &found) == 0 && S_ISREG(found.st_mode)) status = copy_file(from, to);
        free(from);
        free(to);
    }
    closedir(folder);
    return status == PARE_OK ? pare_whole() : status;
}

/* For file systems that cannot exchange two folders: the old one steps aside, and back if the new one cannot come. */
static pare_status replace_in_two_steps(const pare_output *output) {
    char *aside = pare_format("%s-old", output->temporary);
    if (!aside) return pare_whole();
    pare_status status = PARE_OK;
    if (rename(output->place, aside) != 0) {
        status = pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
    } else if (rename(output->temporary, output->place) != 0) {
        status = pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
        if (rename(aside, output->place) != 0)
            status = pare_fail(PARE_FILE_ERROR, "cannot replace %s, and its old contents had to stay in %s: %s",
                               output->target, aside, strerror(errno));
    } else if (!remove_tree(aside)) {
        status = pare_fail(PARE_FILE_ERROR, "%s is complete, but what it replaced could not be removed: %s",
                           output->target, aside);
    }
    free(aside);
    return status;
}

static bool is_unsupported(int error) {
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

static pare_status replace(const pare_output *output) {
    if (renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->place, RENAME_EXCHANGE) == 0) {
        if (remove_tree(output->temporary)) return PARE_OK;
        return pare_fail(PARE_FILE_ERROR, "%s is complete, but what it replaced could not be removed: %s",
                         output->target, output->temporary);
    }
    if (is_unsupported(errno)) return replace_in_two_steps(output);
    return pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
}

/* The target was absent when the work began; something that came since is not overwritten. */
static pare_status appear(const pare_output *output) {
    if (pare_durable_appear(output->temporary, output->place)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot put the finished model at %s: %s", output->target, strerror(errno));
}

static pare_status sync_parent(const pare_output *output) {
    char *parent = pare_format("%s", output->place);
    if (!parent) return pare_whole();
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = '\0';
    pare_status status = pare_durable_sync_folder(parent);
    free(parent);
    return status;
}

pare_status pare_output_commit(pare_output *output) {
    pare_status status = pare_whole();
    if (status == PARE_OK) status = pare_durable_sync_folder(output->temporary);
    if (status == PARE_OK) status = output->replaces ? replace(output) : appear(output);
    if (status != PARE_OK) {
        pare_output_abandon(output);
        return status;
    }
    status = sync_parent(output);
    release(output);
    return status;
}

void pare_output_abandon(pare_output *output) {
    if (!output) return;
    remove_tree(output->temporary);
    release(output);
}
