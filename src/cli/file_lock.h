/* A file that one process at a time may add to. */
#ifndef PARE_CLI_FILE_LOCK_H
#define PARE_CLI_FILE_LOCK_H

#include <stdbool.h>

typedef struct pare_file_lock {
    char *path;   /* what is locked; NULL: nothing */
    bool passing; /* that is removed again if it is empty */
    int file;
} pare_file_lock;

/* Locks the file at `path` until pare_file_unlock: itself, or beside it PATH.lock, for a file that will be replaced.
 * What is locked is made if there is none. Nothing is where `path` is no regular file (a terminal, a pipe) or the file
 * system has no locks. Returns the exit code: PARE_EXIT_USAGE after one sentence if another process holds it. */
int pare_file_lock_take(const char *path, bool beside, pare_file_lock *out);
void pare_file_unlock(pare_file_lock *lock);

#endif
