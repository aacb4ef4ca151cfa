#include "text/spill.h"
#include "support/file.h"
#include "support/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SMALL = 8 << 20, PIECE = 1 << 20 };

static pare_status fail(void) {
    return pare_fail(PARE_FILE_ERROR,
                     "cannot keep unpacked text in a scratch file in %s: %s; set TMPDIR to a folder "
                     "with more room",
                     pare_runtime_scratch(NULL), strerror(errno));
}

static pare_status open_file(pare_spill *spill) {
    char *path = pare_path_join(pare_runtime_scratch(NULL), "pare-text-XXXXXX");
    int file = path ? mkstemp(path) : -1;
    if (file >= 0) unlink(path);
    free(path);
    if (file < 0) return fail();
    spill->file = file;
    return PARE_OK;
}

static pare_status flush(pare_spill *spill) {
    size_t done = 0;
    if (!spill->file) PARE_TRY(open_file(spill));
    while (done < spill->small.bytes) {
        ssize_t got = write(spill->file, spill->small.data + done, spill->small.bytes - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail();
        done += (size_t)got;
    }
    spill->written += done;
    spill->small.bytes = 0;
    return pare_interrupted();
}

pare_status pare_spill_add(pare_spill *spill, const void *data, size_t bytes) {
    PARE_TRY(pare_buffer_append(&spill->small, data, bytes));
    return spill->small.bytes < (spill->file ? PIECE : SMALL) ? PARE_OK : flush(spill);
}

pare_status pare_spill_finish(pare_spill *spill, const char **text, size_t *bytes) {
    *text = spill->small.data;
    *bytes = spill->small.bytes;
    if (!spill->file) return PARE_OK;
    PARE_TRY(flush(spill));
    void *data = mmap(NULL, spill->written, PROT_READ, MAP_PRIVATE, spill->file, 0);
    if (data == MAP_FAILED) return fail();
    spill->mapped = data;
    *text = data;
    *bytes = spill->written;
    return PARE_OK;
}

void pare_spill_close(pare_spill *spill) {
    if (spill->mapped) munmap(spill->mapped, spill->written);
    if (spill->file) close(spill->file);
    pare_buffer_free(&spill->small);
    *spill = (pare_spill){0};
}
