/* Files written so that they are on the disk when the call returns, or a sentence says why not. */
#ifndef PARE_CHECKPOINT_DURABLE_H
#define PARE_CHECKPOINT_DURABLE_H

#include "support/status.h"

typedef struct pare_durable {
    int descriptor;
    char *path;
    uint64_t expected; /* bytes that were announced, for the message of a full disk */
} pare_durable;

/* Creates a new file (an existing one is an error) and reserves room for `expected` bytes where the file system can,
 * so that a full disk is found before the work is done. On failure nothing is left to close. */
pare_status pare_durable_create(const char *path, uint64_t expected, pare_durable *out);
/* The same with a file that was made, and is open, already. It is closed on failure. */
pare_status pare_durable_take(int descriptor, const char *path, uint64_t expected, pare_durable *out);

pare_status pare_durable_write(pare_durable *file, const void *data, size_t bytes);

/* Syncs and closes; the file is closed in any case. */
pare_status pare_durable_finish(pare_durable *file);

/* Closes without syncing. Nothing happens if `file` is all zero or was finished. */
void pare_durable_drop(pare_durable *file);

/* All of the data, or of the text, and no more: the file is finished, or dropped. */
pare_status pare_durable_put(pare_durable *file, const void *data, size_t bytes);
pare_status pare_durable_put_text(pare_durable *file, const char *text);

/* A new file of that text. */
pare_status pare_durable_write_text(const char *path, const char *text);

/* Renames the file or folder `from` to `to`, which must not exist. False, with errno set, if that fails. */
bool pare_durable_appear(const char *from, const char *to);

/* Syncs a folder: the names in it. */
pare_status pare_durable_sync_folder(const char *path);

#endif
