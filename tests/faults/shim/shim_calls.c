/* The filter that traps, and the handler that counts and fails. */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct {
    atomic_long calls;
    long at, kill;
    int error, log;
    bool full;
} shim = {.log = -1};

static const char *const kinds[SHIM_KINDS] = {"open",   "read",   "pread",     "mmap",      "write", "pwrite",
                                              "fsync",  "rename", "ftruncate", "fallocate", "link",  "mkdir",
                                              "unlink", "list",   "lock",      "io_uring",  "stat"};

static const long trapped[] = {
#ifdef SYS_open
    SYS_open,       SYS_rename,    SYS_link,           SYS_symlink,        SYS_mkdir,
    SYS_unlink,     SYS_rmdir,     SYS_getdents,       SYS_stat,           SYS_lstat,
    SYS_access,     SYS_readlink,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_openat,     SYS_read,      SYS_readv,          SYS_pread64,        SYS_preadv,
    SYS_mmap,       SYS_write,     SYS_writev,         SYS_pwrite64,       SYS_pwritev,
    SYS_fsync,      SYS_fdatasync, SYS_renameat2,      SYS_ftruncate,      SYS_truncate,
    SYS_fallocate,  SYS_linkat,    SYS_symlinkat,      SYS_mkdirat,        SYS_unlinkat,
    SYS_getdents64, SYS_flock,     SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_newfstatat, SYS_fstat,     SYS_statx,          SYS_faccessat,      SYS_readlinkat,
};
enum { TRAPPED = sizeof trapped / sizeof *trapped };

#if defined __x86_64__
enum { ARCHITECTURE = AUDIT_ARCH_X86_64 };
static void read_call(const ucontext_t *at, shim_call *call) {
    const greg_t *r = at->uc_mcontext.gregs;
    call->number = r[REG_RAX];
    const long arguments[] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
    memcpy(call->arguments, arguments, sizeof arguments);
}
static void answer(ucontext_t *at, long result) {
    at->uc_mcontext.gregs[REG_RAX] = result;
}
#else
enum { ARCHITECTURE = AUDIT_ARCH_AARCH64 };
static void read_call(const ucontext_t *at, shim_call *call) {
    call->number = (long)at->uc_mcontext.regs[8];
    for (int i = 0; i < 6; i++)
        call->arguments[i] = (long)at->uc_mcontext.regs[i];
}
static void answer(ucontext_t *at, long result) {
    at->uc_mcontext.regs[0] = (unsigned long long)result;
}
#endif

static long make(const shim_call *call, bool half) {
    const long *a = call->arguments;
    bool may = half && (call->kind == SHIM_READ || call->kind == SHIM_PREAD || call->kind == SHIM_WRITE ||
                        call->kind == SHIM_PWRITE);
    bool vector = call->number == SYS_readv || call->number == SYS_writev || call->number == SYS_preadv ||
                  call->number == SYS_pwritev;
    long third = may && a[2] > 1 ? a[2] / 2 : a[2]; /* bytes, or pieces of a vector */
    return shim_kernel(call->number, a[0], a[1], vector && a[2] < 2 ? a[2] : third, a[3], a[4], a[5]);
}

static void write_log(long number, const shim_call *call) {
    char line[4200];
    int length = snprintf(line, sizeof line, "%ld %s %s %s\n", number, kinds[call->kind],
                          call->creates      ? "c"
                          : call->takes_room ? "s"
                                             : "-",
                          call->path);
    if (length > 0) shim_kernel(SYS_write, shim.log, (long)line, length, 0, 0, 0);
}

static long meet(const shim_call *call) {
    long number = atomic_fetch_add(&shim.calls, 1) + 1;
    if (shim.log >= 0) write_log(number, call);
    if (number == shim.kill) shim_kernel(SYS_kill, shim_kernel(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
    bool full = shim.full && shim.at && number >= shim.at && call->takes_room;
    bool standard = call->kind == SHIM_WRITE && call->arguments[0] == STDOUT_FILENO; /* not on the full disk */
    if ((number == shim.at && shim.error && !shim.full) || (full && !standard)) return -shim.error;
    return make(call, number == shim.at && !shim.full);
}

static void on_trap(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    ucontext_t *at = context;
    static _Thread_local shim_call call;
    read_call(at, &call);
    bool counted = shim_describe(&call);
    if (counted) shim_record_before(&call);
    long result = counted ? meet(&call) : make(&call, false);
    if (counted) shim_record_after(&call, result);
    answer(at, result);
}

/* Where the C library's code lies. */
typedef struct range {
    uint64_t begin, end;
} range;

static int find_library(struct dl_phdr_info *library, size_t size, void *context) {
    (void)size;
    range *found = context;
    if (!strstr(library->dlpi_name, "/libc.so")) return 0;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        *found = (range){library->dlpi_addr + part->p_vaddr, library->dlpi_addr + part->p_vaddr + part->p_memsz};
    }
    return 1;
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, member))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define JUMP(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), yes, no)

/* Traps the calls of the list that are made from within the range, which does not cross a border of 4 GiB. Memory that
 * is no file's is let through, also as a thread begins with all signals blocked, which a trap would not survive. */
static bool set_trap(range r) {
    struct sock_filter filter[TRAPPED + 24];
    size_t count = 0;
    uint32_t high = (uint32_t)(r.begin >> 32);
    filter[count++] = (struct sock_filter)LOAD(arch);
    filter[count++] = (struct sock_filter)JUMP(BPF_JEQ, ARCHITECTURE, 1, 0);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)LOAD(nr);
    filter[count++] = (struct sock_filter)JUMP(BPF_JEQ, SYS_mmap, 0, 4);
    filter[count++] = (struct sock_filter)LOAD(args[4]);
    filter[count++] = (struct sock_filter)JUMP(BPF_JEQ, UINT32_MAX, 0, 1);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)LOAD(nr);
    for (size_t i = 0; i < TRAPPED; i++)
        filter[count++] = (struct sock_filter)JUMP(BPF_JEQ, trapped[i], (uint8_t)(TRAPPED - i), 0);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    filter[count++] = (struct sock_filter)JUMP(BPF_JEQ, high, 1, 0);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)LOAD(instruction_pointer);
    filter[count++] = (struct sock_filter)JUMP(BPF_JGE, (uint32_t)r.begin, 1, 0);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)JUMP(BPF_JGT, (uint32_t)r.end, 0, 1);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)RETURN(SECCOMP_RET_TRAP);
    struct sock_fprog program = {(unsigned short)count, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

/* 76: there is no way to trap here. */
__attribute__((constructor)) static void begin(void) {
    enum { HIGH = 200, CANNOT = 76 };
    const char *log = getenv("PARE_FAULT_LOG"), *record = getenv("PARE_FAULT_RECORD");
    shim.at = number_of("PARE_FAULT_AT");
    shim.kill = number_of("PARE_FAULT_KILL");
    shim.error = (int)number_of("PARE_FAULT_ERROR");
    shim.full = number_of("PARE_FAULT_FULL") != 0;
    if (log) {
        int file = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        shim.log = fcntl(file, F_DUPFD_CLOEXEC, HIGH);
        close(file);
    }
    if (record) shim_record_open(record, getenv("PARE_FAULT_FOLDER"));
    range r = {0};
    dl_iterate_phdr(find_library, &r);
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&trap.sa_mask);
    bool whole = r.end && r.begin >> 32 == (r.end - 1) >> 32;
    if (!whole || sigaction(SIGSYS, &trap, NULL) != 0 || !set_trap(r)) _exit(CANNOT);
}
