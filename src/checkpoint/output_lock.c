/* The lock is a link to a file of the one who holds it, PLACE.pare-lock, which says who that is: "pare HOST PROCESS
 * START", START being when the process began, as the kernel counts. link(2) makes it for one of several on file systems
 * of a network, too, where an exclusive open or flock may not; whether it did is asked of the file's count of names,
 * since an answer may be lost. The file is locked with flock beside that, as all temporary ones are. */
#include "checkpoint/output_lock.h"
#include "checkpoint/temporary.h"
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME = 256, LINE = NAME + 80, ATTEMPTS = 10 };

/* Who holds a lock. */
typedef struct holder {
    char host[NAME];
    long process;
    unsigned long long start;
} holder;

/* When a process began; 0: there is none. */
static unsigned long long start_of(long process) {
    char path[64], line[1024];
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    const char *behind = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (!behind ||
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &start) != 1)
        start = 0;
    fclose(file);
    return start;
}

static holder own_holder(void) {
    holder h = {.process = (long)getpid()};
    if (gethostname(h.host, sizeof h.host - 1) != 0 || !*h.host) snprintf(h.host, sizeof h.host, "localhost");
    for (char *c = h.host; *c; c++)
        if (*c <= ' ') *c = '-';
    h.start = start_of(h.process);
    return h;
}

/* False: it is no lock. found: what was read. */
static bool read_holder(const char *path, holder *h, struct stat *found, bool *there) {
    char line[LINE] = "", end = 0;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    *there = file >= 0 || errno != ENOENT;
    if (file < 0) return false;
    ssize_t bytes = fstat(file, found) == 0 && S_ISREG(found->st_mode) ? read(file, line, sizeof line - 1) : -1;
    close(file);
    return bytes > 0 && sscanf(line, "pare %255s %ld %llu%c", h->host, &h->process, &h->start, &end) == 4 &&
           end == '\n' && h->process > 0;
}

/* True if the file at `path` is locked by someone who lives; where the file system has no such locks, false. *is_free:
 * it could be locked, so nobody has. */
static bool is_flocked(const char *path, bool *is_free) {
    *is_free = false;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return false;
    bool ours = pare_lock_take(file, is_free);
    close(file);
    return !ours;
}

/* Or a lock of this process that could not be removed when it was given back. */
static bool is_gone(const holder *h, const holder *own, const char *path) {
    bool is_free;
    if (strcmp(h->host, own->host) != 0 || is_flocked(path, &is_free)) return false;
    unsigned long long start = start_of(h->process);
    return !start || start != h->start || (h->process == own->process && is_free);
}

static pare_status refuse(const char *place, const char *path, const holder *h, const holder *own) {
    if (strcmp(h->host, own->host) == 0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "another run is writing %s (process %ld on this machine): wait until it has ended, or give "
                         "another OUT",
                         place, h->process);
    return pare_fail(PARE_BAD_ARGUMENT,
                     "another run is writing %s (process %ld on %s): wait until it has ended, or give another OUT; if "
                     "there is no such process on that machine any more, delete %s",
                     place, h->process, h->host, path);
}

/* What a process that is gone has left steps aside, over a temporary file of ours; should it have become another's
 * meanwhile, it goes back. */
static pare_status remove_stale(const char *place, const char *path, const struct stat *seen) {
    struct stat moved;
    pare_durable file;
    char *aside;
    int lock;
    PARE_TRY(pare_temporary_file(place, 0, &file, &aside, &lock));
    pare_durable_drop(&file);
    if (rename(path, aside) == 0 && lstat(aside, &moved) == 0 &&
        (moved.st_dev != seen->st_dev || moved.st_ino != seen->st_ino))
        (void)!link(aside, path);
    unlink(aside);
    if (lock >= 0) close(lock);
    free(aside);
    return PARE_OK;
}

/* Nobody can say whether the file got the lock's name; error: link's. */
static pare_status give_back(const char *place, const char *own_file, const pare_output_lock *out, int error) {
    int why = errno;
    if (!error) unlink(out->path);
    return pare_fail(PARE_FILE_ERROR, "cannot lock %s: %s cannot be asked after: %s", place, own_file, strerror(why));
}

/* The lock's name for the file, which has one of its own; *has: it got it, or nobody can have it. */
static pare_status link_to(const char *place, const char *own_file, const holder *own, pare_output_lock *out,
                           bool *has) {
    struct stat file, seen;
    holder h = {0};
    bool there;
    int error = link(own_file, out->path) == 0 ? 0 : errno;
    if (stat(own_file, &file) != 0) return give_back(place, own_file, out, error);
    *has = file.st_nlink == 2;
    out->held = *has;
    if (*has) {
        out->device = file.st_dev;
        out->number = file.st_ino;
        return PARE_OK;
    }
    *has = error && error != EEXIST; /* a file system without links has no such locks */
    if (*has) return PARE_OK;
    if (!read_holder(out->path, &h, &seen, &there))
        return there ? pare_fail(PARE_BAD_ARGUMENT, "%s is not what pare keeps there: delete it, or give another OUT",
                                 out->path)
                     : PARE_OK;
    if (!is_gone(&h, own, out->path)) return refuse(place, out->path, &h, own);
    return remove_stale(place, out->path, &seen);
}

static pare_status take(const char *place, pare_output_lock *out) {
    holder own = own_holder();
    char line[LINE], *own_file;
    bool has = false;
    pare_durable file;
    int bytes = snprintf(line, sizeof line, "pare %s %ld %llu\n", own.host, own.process, own.start);
    PARE_TRY(pare_temporary_file(place, (uint64_t)bytes, &file, &own_file, &out->lock));
    pare_status status = pare_durable_put(&file, line, (size_t)bytes);
    for (int attempt = 0; status == PARE_OK && !has && attempt < ATTEMPTS; attempt++)
        status = link_to(place, own_file, &own, out, &has);
    if (status == PARE_OK && !has)
        status = pare_fail(PARE_BAD_ARGUMENT, "other runs are beginning to write %s: give another OUT", place);
    unlink(own_file);
    free(own_file);
    return status;
}

pare_status pare_output_lock_take(const char *place, pare_output_lock *out) {
    *out = (pare_output_lock){.path = pare_format("%s.pare-lock", place), .lock = -1};
    pare_status status = pare_whole();
    if (status == PARE_OK) status = take(place, out);
    if (status != PARE_OK) pare_output_lock_release(out);
    return status;
}

void pare_output_lock_release(pare_output_lock *lock) {
    struct stat now;
    bool ours = lock->held && lstat(lock->path, &now) == 0 && now.st_dev == lock->device && now.st_ino == lock->number;
    if (ours) unlink(lock->path);
    if (lock->path && lock->lock >= 0) close(lock->lock);
    free(lock->path);
    *lock = (pare_output_lock){.lock = -1};
}
