/* What is written under a temporary name beside its target, TARGET.pare- and six hexadecimal digits, until it is whole.
 * Its owner holds a lock on it (flock, which other containers on the same volume see, too, and which ends with the
 * owner), so that what a killed run has left can be told from what another run is writing. Until then it is for its
 * owner's eyes alone: 0700, a file 0600. */
#ifndef PARE_CHECKPOINT_TEMPORARY_H
#define PARE_CHECKPOINT_TEMPORARY_H

#include "checkpoint/durable.h"

/* A new folder beside `target`; *path is freed with free(). Closing *lock gives the lock up; -1: the file system has no
 * locks. */
pare_status pare_temporary_folder(const char *target, char **path, int *lock);

/* A new folder NAME.pare-XXXXXX in `parent`, after pare_temporary_sweep of that name: for what is not to last.
 * Otherwise like pare_temporary_folder. */
pare_status pare_temporary_scratch(const char *parent, const char *name, char **path, int *lock);

/* A new file likewise, to be written and finished as pare_durable_create's. */
pare_status pare_temporary_file(const char *target, uint64_t expected, pare_durable *file, char **path, int *lock);

/* Gives the file or folder, which is whole, the permissions that others have who make one where it lies: before it gets
 * to its place. Where they cannot be found out it stays its owner's. */
void pare_temporary_publish(const char *path);

/* The name for what stood at the target while its successor takes its place, TARGET.pare-XXXXXX.old; NULL without
 * memory. */
char *pare_temporary_previous(const char *temporary);

/* Locks what is at `path`, so that no sweep takes it for abandoned under the name above. The descriptor, to be closed;
 * -1: it cannot be locked. */
int pare_temporary_hold(const char *path);

/* Removes what runs that are gone have left beside `target`, folders and files; what stood at a target that is not
 * there goes back. Keeps this thread's message. */
void pare_temporary_sweep(const char *target);

/* The folder, or file, and all that is in it; no link is followed. False, with errno set, if something stays. Takes no
 * memory: what a run has begun goes where there is none left, too. */
bool pare_folder_remove(const char *path);
/* The same, by its name in an open folder. */
bool pare_folder_remove_at(int folder, const char *name);

/* Locks an open file or folder without waiting. False: another process holds it. True also where the file system has no
 * locks; *locked says which. */
bool pare_lock_take(int descriptor, bool *locked);

/* Locks a folder that one run at a time may work in, until *lock is closed; -1: the file system has no locks.
 * PARE_BAD_ARGUMENT if another run holds it. */
pare_status pare_folder_lock(const char *path, int *lock);

#endif
