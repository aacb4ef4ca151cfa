/* A file beside the model: written under a temporary name (checkpoint/temporary.h), put into place when the run has
 * succeeded. */
#ifndef PARE_RUN_STAGED_H
#define PARE_RUN_STAGED_H

#include "support/json.h"

typedef struct pare_staged {
    char *path, *temporary; /* temporary NULL: it is in place */
    char *previous;         /* where what it replaced is until it is dropped; or NULL */
    bool moved;             /* that has no other name */
    bool locked, held;
    int lock, hold; /* on the temporary file; on the previous one */
} pare_staged;

/* Refuses a path whose folder is missing or not writable, or that is there and no regular file. */
pare_status pare_staged_check(const char *path);

/* Writes the text, synced, beside `path`. Frees the reference, which may be NULL. */
pare_status pare_staged_write(json_t *json, const char *path, pare_staged *out);

/* The same with bytes that are no JSON; with a text. */
pare_status pare_staged_write_bytes(const void *bytes, size_t size, const char *path, pare_staged *out);
pare_status pare_staged_write_text(const char *text, const char *path, pare_staged *out);

/* Puts it at `path`, in place of what is there, at one stroke; its folder is not synced. Nothing happens if nothing was
 * written. */
pare_status pare_staged_place(pare_staged *staged);
/* As before pare_staged_place, if that was called. Keeps this thread's message. */
void pare_staged_undo(pare_staged *staged);

/* All of them, or none, and with their names on the disk. Keeps this thread's message of the one that failed. */
pare_status pare_staged_place_all(pare_staged *list, size_t count);

/* Removes what was not put into place, and frees. Keeps this thread's message. */
void pare_staged_drop(pare_staged *staged);

#endif
