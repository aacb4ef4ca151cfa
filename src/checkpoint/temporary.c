#include "checkpoint/temporary.h"
#include "support/file.h"
#include "support/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100, DIGITS = 6 };
static const char infix[] = ".pare-", previous[] = ".old";

/* Removes entries until there is none left; a folder that is read while it changes may hide some the first time. */
static bool empty(int folder) {
    union {
        struct dirent64 first;
        char bytes[4096];
    } entries;
    for (bool found = true; found;) {
        found = false;
        ssize_t read = lseek(folder, 0, SEEK_SET) == 0 ? getdents64(folder, entries.bytes, sizeof entries) : -1;
        if (read < 0) return false;
        for (ssize_t at = 0; at < read;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries.bytes + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            if (!pare_folder_remove_at(folder, entry->d_name)) return false;
            found = true;
        }
    }
    return true;
}

bool pare_folder_remove_at(int folder, const char *name) {
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return errno == ENOENT;
    bool removed = empty(inner);
    int error = errno;
    close(inner);
    errno = error;
    return removed && (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

bool pare_folder_remove(const char *path) {
    return pare_folder_remove_at(AT_FDCWD, path);
}

bool pare_lock_take(int descriptor, bool *locked) {
    *locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    return *locked || errno != EWOULDBLOCK;
}

pare_status pare_folder_lock(const char *path, int *lock) {
    bool locked = false;
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return pare_fail(PARE_FILE_ERROR, "cannot open the folder %s: %s", path, strerror(errno));
    bool ours = pare_lock_take(*lock, &locked);
    if (ours && locked) return PARE_OK;
    close(*lock);
    *lock = -1;
    if (ours) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "another run is keeping its progress in %s: wait until it has ended, or give another folder to "
                     "write",
                     path);
}

/* Whether `path` still names what is open: a sweep may have come between making and locking. errno is 0 if it names
 * something else. */
static bool is_still(int descriptor, const char *path) {
    struct stat open_one, named;
    errno = 0;
    return fstat(descriptor, &open_one) == 0 && lstat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

/* Makes `path`, which must not exist, and locks it. Returns its descriptor, or -1 with errno set: EEXIST asks for
 * another name. */
static int make(const char *path, bool folder, bool *locked) {
    if (folder && mkdir(path, 0700) != 0) return -1;
    int flags = folder ? O_RDONLY | O_DIRECTORY : O_WRONLY | O_CREAT | O_EXCL;
    int made = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (made < 0) {
        int error = errno == ENOENT && folder ? EEXIST : errno; /* a sweep has removed it, as below */
        if (folder) rmdir(path);
        errno = error;
        return -1;
    }
    bool ours = pare_lock_take(made, locked);
    if (ours && is_still(made, path)) return made;
    int error = !ours || !errno || pare_file_absent(errno) ? EEXIST : errno;
    if (error != EEXIST) remove(path);
    close(made);
    errno = error;
    return -1;
}

/* *path is NULL on failure. */
static int make_beside(const char *target, bool folder, char **path, bool *locked) {
    *path = NULL;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t suffix;
        if (getrandom(&suffix, sizeof suffix, 0) != (ssize_t)sizeof suffix) break;
        *path = pare_format("%s%s%06x", target, infix, suffix & 0xffffffu);
        int made = *path ? make(*path, folder, locked) : -1;
        if (made >= 0) return made;
        int error = errno;
        bool taken = *path && error == EEXIST;
        free(*path);
        *path = NULL;
        errno = error;
        if (!taken) break;
    }
    return -1;
}

/* Fails without a message. */
static bool make_folder(const char *target, char **path, int *lock) {
    bool locked;
    *lock = make_beside(target, true, path, &locked);
    if (*lock < 0) return false;
    if (!locked) {
        close(*lock);
        *lock = -1;
    }
    return true;
}

pare_status pare_temporary_folder(const char *target, char **path, int *lock) {
    if (make_folder(target, path, lock)) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot create a folder beside %s: %s", target, strerror(errno));
}

pare_status pare_temporary_file(const char *target, uint64_t expected, pare_durable *file, char **path, int *lock) {
    bool locked;
    *file = (pare_durable){0};
    *lock = -1;
    int made = make_beside(target, false, path, &locked);
    if (made < 0) return pare_fail(PARE_FILE_ERROR, "cannot create a file beside %s: %s", target, strerror(errno));
    pare_status status = pare_durable_take(made, *path, expected, file);
    if (status != PARE_OK) {
        unlink(*path);
        free(*path);
        *path = NULL;
        return status;
    }
    if (locked) *lock = fcntl(made, F_DUPFD_CLOEXEC, 0); /* of the same lock, which outlives the writing */
    return PARE_OK;
}

/* What a new file in the folder gets of `mode`: by umask, or by what the folder hands down. A file without a name shows
 * it; where the file system has none of these, a negative number. */
static int mode_in(const char *folder, mode_t mode) {
    struct stat made;
    int file = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    int got = file >= 0 && fstat(file, &made) == 0 ? (int)(made.st_mode & 0777) : -1;
    if (file >= 0) close(file);
    return got;
}

/* Without such files: the umask alone, as the kernel tells it, since asking for it is changing it for all threads. */
static int mode_of_umask(mode_t mode) {
    char line[128];
    unsigned mask = 0;
    bool found = false;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "Umask: %o", &mask) == 1;
    if (file) fclose(file);
    return found ? (int)(mode & ~(mode_t)mask) : -1;
}

void pare_temporary_publish(const char *path) {
    struct stat found;
    if (lstat(path, &found) != 0 || S_ISLNK(found.st_mode)) return;
    bool folder = S_ISDIR(found.st_mode);
    mode_t wanted = folder ? 0777 : 0666;
    char *parent = folder ? NULL : pare_path_parent(path);
    int mode = folder || parent ? mode_in(folder ? path : parent, wanted) : -1;
    if (mode < 0) mode = mode_of_umask(wanted);
    free(parent);
    if (mode >= 0) (void)!chmod(path, (mode_t)mode | (found.st_mode & S_ISGID));
}

typedef enum entry_kind { ENTRY_OTHER, ENTRY_TEMPORARY, ENTRY_PREVIOUS } entry_kind;

/* Of NAME.pare-XXXXXX and NAME.pare-XXXXXX.old. */
static entry_kind kind_of(const char *entry, const char *name) {
    size_t length = strlen(name);
    if (strncmp(entry, name, length) != 0 || strncmp(entry + length, infix, sizeof infix - 1) != 0) return ENTRY_OTHER;
    const char *digits = entry + length + sizeof infix - 1;
    if (strspn(digits, "0123456789abcdef") != DIGITS) return ENTRY_OTHER;
    return !digits[DIGITS] ? ENTRY_TEMPORARY : strcmp(digits + DIGITS, previous) == 0 ? ENTRY_PREVIOUS : ENTRY_OTHER;
}

/* What stepped aside for a target that never came goes back. */
static void remove_abandoned(int folder, const char *parent, const char *entry, const char *target, entry_kind kind) {
    bool locked = false;
    struct stat found;
    int left = openat(folder, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (left < 0) return;
    char *path = pare_lock_take(left, &locked) && locked ? pare_path_join(parent, entry) : NULL;
    bool ours = path && fstat(left, &found) == 0 && found.st_uid == geteuid() && is_still(left, path);
    bool back = ours && kind == ENTRY_PREVIOUS && pare_durable_appear(path, target);
    if (ours && !back && S_ISDIR(found.st_mode)) pare_folder_remove(path);
    if (ours && !back && S_ISREG(found.st_mode)) unlink(path);
    free(path);
    close(left);
}

char *pare_temporary_previous(const char *temporary) {
    return pare_format("%s%s", temporary, previous);
}

int pare_temporary_hold(const char *path) {
    bool locked = false;
    int held = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (held >= 0 && pare_lock_take(held, &locked) && locked) return held;
    if (held >= 0) close(held);
    return -1;
}

void pare_temporary_sweep(const char *target) {
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    char *parent = pare_path_parent(target);
    DIR *folder = parent ? opendir(parent) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        entry_kind kind = kind_of(entry->d_name, name);
        if (kind) remove_abandoned(dirfd(folder), parent, entry->d_name, target, kind);
    }
    if (folder) closedir(folder);
    free(parent);
}

pare_status pare_temporary_scratch(const char *parent, const char *name, char **path, int *lock) {
    char *target = pare_path_join(parent, name);
    *path = NULL;
    *lock = -1;
    PARE_TRY(pare_whole());
    pare_temporary_sweep(target);
    bool made = make_folder(target, path, lock);
    int error = errno;
    free(target);
    if (made) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "cannot make a folder in %s: %s; name another folder with --scratch", parent,
                     strerror(error));
}
