#include "file_lock.h"

#include "outcome.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *path) {
    pare_terminal_fail("another pare sweep is writing %s: wait until it has ended, or give another file", path);
    return PARE_EXIT_USAGE;
}

/* A file that is replaced between opening and locking is another one. */
static bool is_still(int file, const char *path) {
    struct stat open_one, named;
    return fstat(file, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

/* locked: what is locked for `path`. A lock of its own beside it is no link to elsewhere. */
static int take(const char *path, const char *locked, bool beside, pare_file_lock *out) {
    enum { ATTEMPTS = 100 };
    struct stat found;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        bool there = stat(locked, &found) == 0;
        int file = open(locked, O_RDWR | O_CREAT | O_CLOEXEC | (beside ? O_NOFOLLOW : 0), 0666);
        if (file < 0) return pare_outcome_cannot_write(path);
        bool got = flock(file, LOCK_EX | LOCK_NB) == 0, taken = !got && errno == EWOULDBLOCK;
        if (got && is_still(file, locked)) {
            out->passing = beside || !there;
            out->file = file;
            return PARE_EXIT_DONE;
        }
        close(file);
        if (taken) break;
        if (!got) return PARE_EXIT_DONE;
    }
    return refuse(path);
}

int pare_file_lock_take(const char *path, bool beside, pare_file_lock *out) {
    struct stat found;
    *out = (pare_file_lock){.file = -1};
    if (stat(path, &found) == 0 && !S_ISREG(found.st_mode)) return PARE_EXIT_DONE;
    if (asprintf(&out->path, "%s%s", path, beside ? ".lock" : "") < 0) {
        out->path = NULL;
        return pare_outcome_cannot_write(path);
    }
    int code = take(path, out->path, beside, out);
    if (out->file >= 0) return code;
    free(out->path);
    out->path = NULL;
    return code;
}

void pare_file_unlock(pare_file_lock *lock) {
    struct stat found;
    if (!lock->path) return;
    if (lock->passing && fstat(lock->file, &found) == 0 && found.st_size == 0 && is_still(lock->file, lock->path))
        unlink(lock->path);
    close(lock->file);
    free(lock->path);
    *lock = (pare_file_lock){0};
}
