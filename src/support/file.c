#include "support/file.h"
#include "support/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char *pare_format(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length >= 0) return text;
    pare_lost();
    return NULL;
}

char *pare_path_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? pare_format("%.*s", (int)(slash == path ? 1 : slash - path), path) : pare_format(".");
}

char *pare_path_join(const char *directory, const char *name) {
    if (!directory || !name) return NULL;
    size_t length = strlen(directory);
    const char *separator = length && directory[length - 1] == '/' ? "" : "/";
    return pare_format("%s%s%s", directory, separator, name);
}

bool pare_folder_has(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    bool found = pare_file_exists(path);
    free(path);
    return found;
}

bool pare_file_exists(const char *path) {
    struct stat status;
    return path && (lstat(path, &status) == 0 || !pare_file_absent(errno));
}

bool pare_file_absent(int error) {
    return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP;
}

/* Why `path` cannot be opened; a link whose target is gone has a reason of its own. */
static pare_status refuse_open(const char *path, int error) {
    struct stat status;
    if (error == ENOENT && lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
        return pare_fail(PARE_FILE_ERROR,
                         "cannot read %s: it is a link to a file that is not there (a download that was stopped, or a "
                         "link that was copied without its file); download it again",
                         path);
    return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", path, strerror(error));
}

/* What Git leaves in the place of a large file when Git LFS is not installed: "version URL", "oid sha256:...", "size
 * N", a line each. */
static pare_status refuse_pointer(const char *path, const unsigned char *data, uint64_t bytes) {
    static const char first[] = "version https://git-lfs.github.com/spec/";
    enum { LIMIT = 1024 };
    if (bytes < sizeof first || bytes > LIMIT || memcmp(data, first, sizeof first - 1) != 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is a Git LFS pointer and not the file itself: run 'git lfs pull' in its folder, or download "
                     "the file",
                     path);
}

static pare_status open_regular(const char *path, int *descriptor, uint64_t *bytes) {
    if (!path) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the name of a file that is to be read");
    /* A pipe that nobody writes into is refused, not awaited. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        int error = errno;
        if (file >= 0) close(file);
        return refuse_open(path, error);
    }
    if (!S_ISREG(status.st_mode)) {
        close(file);
        return pare_fail(PARE_FILE_ERROR, "cannot read %s: it is not a regular file", path);
    }
    *descriptor = file;
    *bytes = (uint64_t)status.st_size;
    return PARE_OK;
}

pare_status pare_mapping_open(const char *path, pare_mapping *out) {
    *out = (pare_mapping){0};
    int file;
    uint64_t bytes;
    PARE_TRY(open_regular(path, &file, &bytes));
    void *data = bytes ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0) : NULL;
    int error = errno;
    close(file);
    if (data == MAP_FAILED) return pare_fail(PARE_FILE_ERROR, "cannot map %s: %s", path, strerror(error));
    *out = (pare_mapping){.data = data, .bytes = bytes, .path = pare_format("%s", path)};
    pare_status status = out->path ? refuse_pointer(path, data, bytes) : pare_whole();
    if (status != PARE_OK) pare_mapping_close(out);
    return status;
}

void pare_mapping_close(pare_mapping *mapping) {
    if (mapping->data) munmap((void *)(uintptr_t)mapping->data, mapping->bytes);
    free(mapping->path);
    *mapping = (pare_mapping){0};
}

pare_status pare_file_check(const char *path) {
    pare_mapping mapping;
    PARE_TRY(pare_mapping_open(path, &mapping));
    pare_mapping_close(&mapping);
    return PARE_OK;
}

pare_status pare_file_read(const char *path, uint64_t limit, char **text, size_t *bytes) {
    *text = NULL;
    int file;
    uint64_t size;
    PARE_TRY(open_regular(path, &file, &size));
    if (size > limit) {
        close(file);
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes; more than %llu is not a plausible file of its kind",
                         path, (unsigned long long)size, (unsigned long long)limit);
    }
    pare_status status = pare_alloc(text, size + 1, 1, path);
    size_t done = 0;
    while (status == PARE_OK && done < size) {
        ssize_t got = read(file, *text + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", path, strerror(errno));
        if (got <= 0) break;
        done += (size_t)got;
    }
    close(file);
    if (status == PARE_OK) status = refuse_pointer(path, (const unsigned char *)*text, done);
    if (status != PARE_OK) {
        pare_free(*text);
        *text = NULL;
    } else if (bytes) {
        *bytes = done;
    }
    return status;
}

uint64_t pare_file_bytes(const char *path) {
    struct stat status;
    return path && stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

size_t pare_file_begin(const char *path, void *bytes, size_t most) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = file < 0 ? -1 : read(file, bytes, most);
    if (file >= 0) close(file);
    return got > 0 ? (size_t)got : 0;
}
