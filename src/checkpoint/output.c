#include "checkpoint/output.h"
#include "checkpoint/durable.h"
#include "checkpoint/output_check.h"
#include "checkpoint/output_lock.h"
#include "checkpoint/temporary.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/memory.h"
#include "support/path.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct pare_output {
    char *target, *source;
    char *place;     /* the target without links */
    char *temporary; /* beside it */
    int lock;        /* on it */
    char *file;      /* a GGUF file in it, which is what is put into place; NULL: all of it is */
    bool replaces;   /* the target was there when the work began */
    pare_output_lock owned;
};

static void release(pare_output *output) {
    free(output->target);
    free(output->source);
    free(output->place);
    free(output->temporary);
    free(output->file);
    if (output->lock >= 0) close(output->lock);
    pare_output_lock_release(&output->owned);
    pare_free(output);
}

bool pare_output_is_gguf(const char *target) {
    static const char ending[] = ".gguf";
    size_t length = target ? strlen(target) : 0, bytes = sizeof ending - 1;
    return length > bytes && strcasecmp(target + length - bytes, ending) == 0;
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
                            .lock = -1,
                            .replaces = pare_file_exists(place)};
    status = pare_whole();
    if (status == PARE_OK) status = pare_output_lock_take(place, &output->owned);
    if (status == PARE_OK) {
        pare_temporary_sweep(place);
        status = pare_temporary_folder(place, &output->temporary, &output->lock);
    }
    if (status == PARE_OK && pare_output_is_gguf(target)) {
        output->file = pare_path_join(output->temporary, pare_path_name(place));
        status = pare_whole();
        if (status != PARE_OK) pare_folder_remove(output->temporary);
    }
    if (status == PARE_OK)
        *out = output;
    else
        release(output);
    return status;
}

const char *pare_output_path(const pare_output *output) {
    return output->temporary;
}

const char *pare_output_file(const pare_output *output) {
    return output->file;
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
                                           "preprocessor_config.json",
                                           "processor_config.json",
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
    int error = 0;
    for (struct dirent *entry; status == PARE_OK && (entry = pare_folder_next(folder, &error));) {
        if (!is_carried_over(entry->d_name)) continue;
        char *from = pare_path_join(output->source, entry->d_name),
             *to = pare_path_join(output->temporary, entry->d_name);
        struct stat found;
        bool there = from && stat(from, &found) == 0;
        if (from && !there && !pare_file_absent(errno))
            status = pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", from, strerror(errno));
        if (there && S_ISREG(found.st_mode)) status = copy_file(from, to);
        free(from);
        free(to);
    }
    closedir(folder);
    if (error) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", output->source, strerror(error));
    return status == PARE_OK ? pare_whole() : status;
}

static pare_status sync_parent(const pare_output *output) {
    char *parent = pare_path_parent(output->place);
    if (!parent) return pare_whole();
    pare_status status = pare_durable_sync_folder(parent);
    free(parent);
    return status;
}

static pare_status remove_replaced(const pare_output *output, const char *old) {
    if (pare_folder_remove(old)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s is complete, but what it replaced could not be removed: %s", output->target,
                     old);
}

/* For file systems that cannot exchange two folders: the old one steps aside, and back if the new one cannot come, or
 * if it is not on the disk. */
static pare_status replace_in_two_steps(const pare_output *output) {
    char *aside = pare_temporary_previous(output->temporary);
    pare_status status = PARE_OK;
    if (!aside) return pare_whole();
    int held = pare_temporary_hold(output->place);
    if (rename(output->place, aside) != 0) {
        status = pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
    } else if (rename(output->temporary, output->place) != 0) {
        status = pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
        if (rename(aside, output->place) != 0)
            status = pare_fail(PARE_FILE_ERROR, "cannot replace %s, and its old contents had to stay in %s: %s",
                               output->target, aside, strerror(errno));
    } else {
        status = sync_parent(output);
        if (status == PARE_OK)
            status = remove_replaced(output, aside);
        else if (rename(output->place, output->temporary) == 0)
            rename(aside, output->place);
    }
    if (held >= 0) close(held);
    free(aside);
    return status;
}

static bool is_unsupported(int error) {
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

static bool exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0;
}

/* What was there is removed once its successor's name is on the disk, so that a crash leaves one of them. */
static pare_status replace(const pare_output *output) {
    if (exchange(output->temporary, output->place)) {
        pare_status status = sync_parent(output);
        if (status == PARE_OK) return remove_replaced(output, output->temporary);
        exchange(output->temporary, output->place);
        return status;
    }
    if (is_unsupported(errno)) return replace_in_two_steps(output);
    return pare_fail(PARE_FILE_ERROR, "cannot replace %s: %s", output->target, strerror(errno));
}

/* The target was absent when the work began; something that came since is not overwritten. */
static pare_status appear(const pare_output *output, const char *from) {
    if (pare_durable_appear(from, output->place)) {
        pare_status status = sync_parent(output);
        if (status != PARE_OK) rename(output->place, from);
        return status;
    }
    return pare_fail(PARE_FILE_ERROR, "cannot put the finished model at %s: %s", output->target, strerror(errno));
}

/* Without an exchange the old file is gone once the new one has its name. */
static pare_status replace_file(const pare_output *output) {
    bool exchanged = exchange(output->file, output->place);
    if (!exchanged && (!is_unsupported(errno) || rename(output->file, output->place) != 0))
        return pare_fail(PARE_FILE_ERROR, "cannot put the finished model at %s: %s", output->target, strerror(errno));
    pare_status status = sync_parent(output);
    if (status == PARE_OK) return PARE_OK;
    if (exchanged) {
        exchange(output->file, output->place);
        return status;
    }
    return pare_fail(status, "%s is complete, but may be lost in a cut of power: its folder cannot be synced",
                     output->target);
}

/* A file takes another one's place at one stroke. */
static pare_status place_file(const pare_output *output) {
    PARE_TRY(output->replaces ? replace_file(output) : appear(output, output->file));
    if (pare_folder_remove(output->temporary)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "%s is complete, but its temporary folder could not be removed: %s",
                     output->target, output->temporary);
}

pare_status pare_output_commit(pare_output *output) {
    pare_status status = pare_whole();
    if (status == PARE_OK && !output->file) pare_temporary_publish(output->temporary);
    if (status == PARE_OK) status = pare_durable_sync_folder(output->temporary);
    if (status == PARE_OK && output->file)
        status = place_file(output);
    else if (status == PARE_OK)
        status = output->replaces ? replace(output) : appear(output, output->temporary);
    if (status == PARE_OK)
        release(output);
    else
        pare_output_abandon(output);
    return status;
}

void pare_output_abandon(pare_output *output) {
    if (!output) return;
    pare_folder_remove(output->temporary);
    release(output);
}
