#include "checkpoint/durable.h"
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pare_status refuse_write(const pare_durable *file, int error) {
    if (file->expected && (error == ENOSPC || error == EDQUOT || error == EFBIG))
        return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s; the file needs %llu bytes (%.1f MiB)", file->path,
                         strerror(error), (unsigned long long)file->expected, (double)file->expected / 1048576.0);
    return pare_fail(PARE_FILE_ERROR, "cannot write %s: %s", file->path, strerror(error));
}

pare_status pare_durable_take(int descriptor, const char *path, uint64_t expected, pare_durable *out) {
    *out = (pare_durable){.descriptor = descriptor, .path = pare_format("%s", path), .expected = expected};
    if (!out->path) {
        close(descriptor);
        *out = (pare_durable){0};
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the name of a file that is to be written");
    }
    /* File systems that cannot reserve say so with another error, and writing goes on without. */
    if (expected && fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, (off_t)expected) != 0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        pare_status status = refuse_write(out, errno);
        pare_durable_drop(out);
        return status;
    }
    return PARE_OK;
}

pare_status pare_durable_create(const char *path, uint64_t expected, pare_durable *out) {
    *out = (pare_durable){.expected = expected};
    if (!path) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the name of a file that is to be written");
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0) return pare_fail(PARE_FILE_ERROR, "cannot create %s: %s", path, strerror(errno));
    return pare_durable_take(file, path, expected, out);
}

pare_status pare_durable_write(pare_durable *file, const void *data, size_t bytes) {
    const char *next = data;
    if (!file->path) return pare_fail(PARE_CHECK_FAILED, "a file is to be written that is not open any more");
    while (bytes) {
        ssize_t written = write(file->descriptor, next, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return refuse_write(file, written < 0 ? errno : ENOSPC);
        next += written;
        bytes -= (size_t)written;
    }
    return PARE_OK;
}

pare_status pare_durable_finish(pare_durable *file) {
    pare_status status = PARE_OK;
    if (!file->path) return pare_fail(PARE_CHECK_FAILED, "a file is to be completed that is not open any more");
    if (fsync(file->descriptor) != 0) status = refuse_write(file, errno);
    if (close(file->descriptor) != 0 && status == PARE_OK) status = refuse_write(file, errno);
    free(file->path);
    *file = (pare_durable){0};
    return status;
}

void pare_durable_drop(pare_durable *file) {
    if (file->path) close(file->descriptor);
    free(file->path);
    *file = (pare_durable){0};
}

pare_status pare_durable_put(pare_durable *file, const void *data, size_t bytes) {
    pare_status status = pare_durable_write(file, data, bytes);
    if (status == PARE_OK) return pare_durable_finish(file);
    pare_durable_drop(file);
    return status;
}

pare_status pare_durable_put_text(pare_durable *file, const char *text) {
    return pare_durable_put(file, text, strlen(text));
}

pare_status pare_durable_write_text(const char *path, const char *text) {
    pare_durable file;
    PARE_TRY(pare_durable_create(path, strlen(text), &file));
    return pare_durable_put_text(&file, text);
}

bool pare_durable_appear(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
    bool unsupported = errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
    if (unsupported && pare_file_exists(to)) errno = EEXIST;
    return unsupported && errno != EEXIST && rename(from, to) == 0;
}

pare_status pare_durable_sync_folder(const char *path) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pare_status status = PARE_OK;
    /* Some file systems have no fsync for folders; EINVAL says so. */
    if (folder < 0 || (fsync(folder) != 0 && errno != EINVAL))
        status = pare_fail(PARE_FILE_ERROR, "cannot sync the folder %s: %s", path, strerror(errno));
    if (folder >= 0) close(folder);
    return status;
}
