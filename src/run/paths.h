/* What a run reads and what it writes, and that the one is never the other: the only place that knows. A run names all
 * its files and folders before any work; whatever would be replaced although it is read is refused. */
#ifndef PARE_RUN_PATHS_H
#define PARE_RUN_PATHS_H

#include "support/status.h"

typedef enum pare_path_kind {
    PARE_PATH_FILE,
    PARE_PATH_DATA,   /* read: a file or a folder, whichever it is */
    PARE_PATH_FOLDER, /* read: all that lies in it; written: replaced with all that lies in it */
    PARE_PATH_BESIDE, /* written: a file, by the caller itself */
    PARE_PATH_SCRATCH /* written: files of new names come and go in it */
} pare_path_kind;

typedef struct pare_path_use {
    char *option, *path;
    pare_path_kind kind;
} pare_path_use;

typedef struct pare_path_list {
    pare_path_use *items;
    size_t count;
    bool full; /* there was no memory for another one */
} pare_path_list;

/* All zero: nothing yet. */
typedef struct pare_paths {
    pare_path_list reads, writes;
} pare_paths;

/* option: as messages call it ("--calib"). Nothing happens for a path that is NULL. Copies both. */
void pare_paths_read(pare_paths *paths, const char *option, const char *path, pare_path_kind kind);
void pare_paths_write(pare_paths *paths, const char *option, const char *path, pare_path_kind kind);

/* PARE_BAD_ARGUMENT, naming both, if something that is written is the same as something that is read or written besides
 * (through links, too), lies in a folder that is read or replaced, or has it inside. */
pare_status pare_paths_check(const pare_paths *paths);

void pare_paths_free(pare_paths *paths);

#endif
