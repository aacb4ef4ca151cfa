/* The record of what is done to files and folders, which disk.c replays. A line per step, in the order of the calls;
 * paths are below the folder.
 *
 *   file INODE PATH | folder INODE PATH          made, empty
 *   size INODE BYTES                             cut, or lengthened with zeros
 *   write INODE OFFSET BYTES, and the bytes      (no line end behind them)
 *   sync INODE                                   of a file or a folder
 *   rename FLAGS FROM<tab>TO | link FROM<tab>TO | remove PATH
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    int file;
    char folder[4096];
    size_t length;
} record = {.file = -1};

static _Thread_local bool existed;

void shim_record_open(const char *file, const char *folder) {
    enum { HIGH = 200 };
    int made = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    record.file = fcntl(made, F_DUPFD_CLOEXEC, HIGH);
    close(made);
    snprintf(record.folder, sizeof record.folder, "%s/", folder ? folder : "");
    record.length = strlen(record.folder);
}

/* The path below the folder; NULL: it is elsewhere. */
static const char *below(const char *path) {
    return strncmp(path, record.folder, record.length) == 0 ? path + record.length : NULL;
}

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
    char line[8300];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0) shim_kernel(SYS_write, record.file, (long)line, length, 0, 0, 0);
}

static unsigned long long inode_at(const char *path) {
    struct stat found;
    bool there = shim_kernel(SYS_newfstatat, AT_FDCWD, (long)path, (long)&found, AT_SYMLINK_NOFOLLOW, 0, 0) == 0;
    return there ? (unsigned long long)found.st_ino : 0;
}

static unsigned long long inode_of(long descriptor) {
    struct stat found;
    return shim_kernel(SYS_fstat, descriptor, (long)&found, 0, 0, 0, 0) == 0 ? (unsigned long long)found.st_ino : 0;
}

void shim_record_before(const shim_call *call) {
    if (record.file < 0) return;
    existed = call->kind == SHIM_OPEN && inode_at(call->path) != 0;
}

static void put_open(const shim_call *call, long descriptor) {
    long flags = call->arguments[call->number == SYS_openat ? 2 : 1];
    const char *path = below(call->path);
    if (!path || (flags & O_TMPFILE) == O_TMPFILE) return;
    if (call->creates && !existed) put("file %llu %s\n", inode_of(descriptor), path);
    if ((flags & O_TRUNC) && existed) put("size %llu 0\n", inode_of(descriptor));
}

static void put_bytes(const shim_call *call, long written) {
    long at = call->kind == SHIM_PWRITE ? call->arguments[3]
                                        : shim_kernel(SYS_lseek, call->arguments[0], 0, SEEK_CUR, 0, 0, 0) - written;
    if (at < 0 || written <= 0 || !below(call->path)) return;
    const char *data = (const char *)call->arguments[1];
    put("write %llu %ld %ld\n", inode_of(call->arguments[0]), at, written);
    shim_kernel(SYS_write, record.file, (long)data, written, 0, 0, 0);
}

/* What is renamed or linked, absolute. */
static void path_from(const shim_call *call, char path[4096]) {
    bool at = call->number == SYS_renameat2 || call->number == SYS_linkat
#ifdef SYS_renameat
              || call->number == SYS_renameat
#endif
        ;
    const char *name = (const char *)call->arguments[at ? 1 : 0];
    path[0] = 0;
    if (*name != '/') shim_kernel(SYS_getcwd, (long)path, 4095, 0, 0, 0, 0);
    size_t length = strlen(path);
    snprintf(path + length, 4096 - length, "%s%s", length ? "/" : "", name);
}

static void put_names(const shim_call *call) {
    char from[4096];
    path_from(call, from);
    const char *old = below(from), *new = below(call->path);
    if (!old || !new) return;
    if (call->kind == SHIM_LINK)
        put("link %s\t%s\n", old, new);
    else
        put("rename %ld %s\t%s\n", call->number == SYS_renameat2 ? call->arguments[4] : 0, old, new);
}

void shim_record_after(const shim_call *call, long result) {
    if (record.file < 0 || result < 0) return;
    bool own = call->number != SYS_readv && call->number != SYS_writev && call->number != SYS_pwritev;
    const char *path = below(call->path);
    if (call->kind == SHIM_OPEN) put_open(call, result);
    if ((call->kind == SHIM_WRITE || call->kind == SHIM_PWRITE) && own) put_bytes(call, result);
    if (call->kind == SHIM_FTRUNCATE && path)
        put("size %llu %ld\n", call->number == SYS_truncate ? inode_at(call->path) : inode_of(call->arguments[0]),
            call->arguments[1]);
    if (call->kind == SHIM_FSYNC) put("sync %llu\n", inode_of(call->arguments[0]));
    if (call->kind == SHIM_MKDIR && path) put("folder %llu %s\n", inode_at(call->path), path);
    if (call->kind == SHIM_UNLINK && path) put("remove %s\n", path);
    if (call->kind == SHIM_RENAME || call->kind == SHIM_LINK) put_names(call);
}
