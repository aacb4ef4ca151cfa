#include "support/scratch.h"
#include "support/file.h"
#include "support/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pare_status open_nameless(const char *directory, int *descriptor) {
    int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        char *path = pare_path_join(directory, "pare-scratch-XXXXXX");
        file = path ? mkostemp(path, O_CLOEXEC) : -1;
        if (file >= 0) unlink(path);
        free(path);
    }
    *descriptor = file;
    if (file < 0)
        return pare_fail(PARE_FILE_ERROR, "cannot create a scratch file in %s: %s; name another folder with --scratch",
                         directory, strerror(errno));
    return PARE_OK;
}

pare_status pare_scratch_open(pare_scratch *out, uint64_t bytes, const char *directory, const char *what) {
    *out = (pare_scratch){.bytes = bytes, .in_file = directory != NULL};
    if (!directory) return pare_alloc(&out->data, bytes, 1, what);
    int file;
    PARE_TRY(open_nameless(directory, &file));
    int error = posix_fallocate(file, 0, (off_t)(bytes ? bytes : 1));
    if (error) {
        close(file);
        return pare_fail(PARE_FILE_ERROR,
                         "cannot reserve %.1f MiB for %s in %s: %s; name a folder with more room with --scratch",
                         (double)bytes / 1048576.0, what, directory, strerror(error));
    }
    void *data = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    error = errno;
    close(file);
    if (data == MAP_FAILED)
        return pare_fail(PARE_FILE_ERROR, "cannot map the scratch file in %s: %s", directory, strerror(error));
    out->data = data;
    return PARE_OK;
}

void pare_scratch_close(pare_scratch *scratch) {
    if (scratch->in_file && scratch->data)
        munmap(scratch->data, scratch->bytes ? scratch->bytes : 1);
    else
        pare_free(scratch->data);
    *scratch = (pare_scratch){0};
}
