/* One run at a time writes an OUT: the lock beside it, OUT.pare-lock, holds on file systems of a network, too. */
#ifndef PARE_CHECKPOINT_OUTPUT_LOCK_H
#define PARE_CHECKPOINT_OUTPUT_LOCK_H

#include "checkpoint/durable.h"

#include <sys/types.h>

typedef struct pare_output_lock {
    char *path;   /* of the lock; NULL: there is none */
    bool held;    /* it is ours; else the file system has no such locks */
    dev_t device; /* of the file that it names */
    ino_t number;
    int lock; /* flock on it, or -1 */
} pare_output_lock;

/* PARE_BAD_ARGUMENT, naming process and machine, if another run holds it. What a process of this machine has left that
 * is gone is taken over; of another machine that cannot be known, and the message says what to do. */
pare_status pare_output_lock_take(const char *place, pare_output_lock *out);
/* Removes it. Nothing happens with one that was not taken; keeps this thread's message. */
void pare_output_lock_release(pare_output_lock *lock);

#endif
