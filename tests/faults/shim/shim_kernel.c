/* The kernel, asked directly, and what its calls are about. */
#include "shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

long shim_kernel(long number, long a, long b, long c, long d, long e, long f) {
#if defined __x86_64__
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined __aarch64__
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                     x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "the shim knows x86-64 and AArch64"
#endif
}

/* Where in the arguments a call has what it is about. */
typedef struct row {
    long number;
    shim_kind kind;
    int descriptor, folder, path; /* their places, or -1 */
    bool takes_room;
} row;

static const row rows[] = {
#ifdef SYS_open
    {SYS_open, SHIM_OPEN, -1, -1, 0, false},
    {SYS_rename, SHIM_RENAME, -1, -1, 1, true},
    {SYS_link, SHIM_LINK, -1, -1, 1, true},
    {SYS_symlink, SHIM_LINK, -1, -1, 1, true},
    {SYS_mkdir, SHIM_MKDIR, -1, -1, 0, true},
    {SYS_unlink, SHIM_UNLINK, -1, -1, 0, false},
    {SYS_rmdir, SHIM_UNLINK, -1, -1, 0, false},
    {SYS_getdents, SHIM_LIST, 0, -1, -1, false},
    {SYS_stat, SHIM_STAT, -1, -1, 0, false},
    {SYS_lstat, SHIM_STAT, -1, -1, 0, false},
    {SYS_access, SHIM_STAT, -1, -1, 0, false},
    {SYS_readlink, SHIM_STAT, -1, -1, 0, false},
#endif
#ifdef SYS_renameat
    {SYS_renameat, SHIM_RENAME, -1, 2, 3, true},
#endif
    {SYS_openat, SHIM_OPEN, -1, 0, 1, false},
    {SYS_read, SHIM_READ, 0, -1, -1, false},
    {SYS_readv, SHIM_READ, 0, -1, -1, false},
    {SYS_pread64, SHIM_PREAD, 0, -1, -1, false},
    {SYS_preadv, SHIM_PREAD, 0, -1, -1, false},
    {SYS_mmap, SHIM_MMAP, 4, -1, -1, false},
    {SYS_write, SHIM_WRITE, 0, -1, -1, true},
    {SYS_writev, SHIM_WRITE, 0, -1, -1, true},
    {SYS_pwrite64, SHIM_PWRITE, 0, -1, -1, true},
    {SYS_pwritev, SHIM_PWRITE, 0, -1, -1, true},
    {SYS_fsync, SHIM_FSYNC, 0, -1, -1, true},
    {SYS_fdatasync, SHIM_FSYNC, 0, -1, -1, true},
    {SYS_renameat2, SHIM_RENAME, -1, 2, 3, true},
    {SYS_ftruncate, SHIM_FTRUNCATE, 0, -1, -1, false},
    {SYS_truncate, SHIM_FTRUNCATE, -1, -1, 0, false},
    {SYS_fallocate, SHIM_FALLOCATE, 0, -1, -1, true},
    {SYS_linkat, SHIM_LINK, -1, 2, 3, true},
    {SYS_symlinkat, SHIM_LINK, -1, 1, 2, true},
    {SYS_mkdirat, SHIM_MKDIR, -1, 0, 1, true},
    {SYS_unlinkat, SHIM_UNLINK, -1, 0, 1, false},
    {SYS_getdents64, SHIM_LIST, 0, -1, -1, false},
    {SYS_flock, SHIM_LOCK, 0, -1, -1, false},
    {SYS_newfstatat, SHIM_STAT, -1, 0, 1, false},
    {SYS_fstat, SHIM_STAT, 0, -1, -1, false},
    {SYS_statx, SHIM_STAT, -1, 0, 1, false},
    {SYS_faccessat, SHIM_STAT, -1, 0, 1, false},
    {SYS_readlinkat, SHIM_STAT, -1, 0, 1, false},
    {SYS_io_uring_setup, SHIM_URING, -1, -1, -1, false},
    {SYS_io_uring_enter, SHIM_URING, -1, -1, -1, false},
    {SYS_io_uring_register, SHIM_URING, -1, -1, -1, false},
};

static void path_of_descriptor(long descriptor, char path[4096]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%ld", descriptor);
    long length = shim_kernel(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, 4095, 0, 0);
    path[length > 0 ? length : 0] = 0;
}

static void join(const shim_call *call, const row *r, char path[4096]) {
    const char *name = (const char *)call->arguments[r->path];
    long folder = r->folder >= 0 ? (int)call->arguments[r->folder] : AT_FDCWD;
    path[0] = 0;
    if (*name != '/' && folder != AT_FDCWD) path_of_descriptor(folder, path);
    if (*name != '/' && folder == AT_FDCWD && shim_kernel(SYS_getcwd, (long)path, 4095, 0, 0, 0, 0) < 0) path[0] = 0;
    size_t length = strlen(path);
    snprintf(path + length, 4096 - length, "%s%s", *name == '/' ? "" : "/", name);
}

static const row *find(long number) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].number == number) return &rows[i];
    return NULL;
}

bool shim_describe(shim_call *call) {
    const row *r = find(call->number);
    if (!r) return false;
    call->kind = r->kind;
    call->takes_room = r->takes_room;
    call->creates = false;
    long descriptor = r->descriptor >= 0 ? (int)call->arguments[r->descriptor] : 0;
    if (r->kind == SHIM_MMAP && (descriptor < 0 || call->arguments[3] & MAP_ANONYMOUS)) return false;
    if ((r->kind == SHIM_WRITE) && descriptor == STDERR_FILENO) return false;
    if (r->path >= 0)
        join(call, r, call->path);
    else if (r->descriptor >= 0)
        path_of_descriptor(descriptor, call->path);
    else
        call->path[0] = 0;
    /* A name that is there already needs no more room in its folder. */
    if (r->kind == SHIM_RENAME && shim_kernel(SYS_faccessat, AT_FDCWD, (long)call->path, F_OK, 0, 0, 0) == 0)
        call->takes_room = false;
    if (r->kind == SHIM_OPEN) {
        long flags = call->arguments[r->path + 1];
        call->creates = call->takes_room = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    }
    return true;
}
