/* A library for LD_PRELOAD under which a program meets a disk that fails, or that is recorded. Never installed. What
 * the C library asks of the kernel is trapped (seccomp) and handed to a handler, which numbers the calls from 1, as
 * they come, and may let one of them fail. What other libraries ask themselves (a sanitizer's own reading, say) is left
 * alone. The environment says what is wanted:
 *
 *   PARE_FAULT_LOG=FILE     a line per call that is counted: NUMBER KIND FLAG PATH; the flag c: makes a file, s: takes
 * room on the disk, -: neither PARE_FAULT_AT=N         the call that fails PARE_FAULT_ERROR=E      with this number of
 * errno; 0: it does half of what was asked (read, pread, write, pwrite) PARE_FAULT_FULL=1       from there on every
 * call fails that takes room on the disk PARE_FAULT_KILL=N       the program is killed (SIGKILL) before this call
 *   PARE_FAULT_RECORD=FILE  all that is done to files and folders below PARE_FAULT_FOLDER, for replay (record.h)
 *
 * Writing to standard error never fails, as nothing could be said of it. Linux, x86-64 and AArch64. */
#ifndef PARE_TESTS_FAULTS_SHIM_H
#define PARE_TESTS_FAULTS_SHIM_H

#include <stdbool.h>
#include <stddef.h>

/* The kinds of calls, as they stand in the log. */
typedef enum shim_kind {
    SHIM_OPEN,
    SHIM_READ,
    SHIM_PREAD,
    SHIM_MMAP,
    SHIM_WRITE,
    SHIM_PWRITE,
    SHIM_FSYNC,
    SHIM_RENAME,
    SHIM_FTRUNCATE,
    SHIM_FALLOCATE,
    SHIM_LINK,
    SHIM_MKDIR,
    SHIM_UNLINK,
    SHIM_LIST,
    SHIM_LOCK,
    SHIM_URING,
    SHIM_STAT, /* and what else asks after a name */
    SHIM_KINDS,
} shim_kind;

/* One call that was trapped. */
typedef struct shim_call {
    long number; /* the kernel's */
    long arguments[6];
    shim_kind kind;
    bool creates, takes_room;
    char path[4096]; /* what it is about: absolute or as given; of a descriptor what /proc has */
} shim_call;

/* The kernel asked from within this library, which is not trapped. Returns minus errno on failure. */
long shim_kernel(long number, long a, long b, long c, long d, long e, long f);

/* Fills kind, creates, takes_room and path. False: it is none that is counted. */
bool shim_describe(shim_call *call);

/* shim_record.c. Before: what has to be known before the call is made. */
void shim_record_open(const char *file, const char *folder);
void shim_record_before(const shim_call *call);
void shim_record_after(const shim_call *call, long result);

#endif
