/* A disk with what is on it and what is only on its way there: files and folders as a record (shim/shim_record.c)
 * leaves them, and as they are after a cut of power. Contents are on the disk once the file was synced, names once
 * their folder was. */
#ifndef PARE_TESTS_FAULT_DISK_H
#define PARE_TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fault_disk fault_disk;

/* Everything in the folder, as if it had been there for long. */
fault_disk *fault_disk_open(const char *folder);
void fault_disk_close(fault_disk *disk);

/* Does the step at *at, which moves on behind it. False: the record has ended. */
bool fault_disk_step(fault_disk *disk, const char **at, const char *end);

/* What a cut keeps of what was not synced. */
typedef enum fault_cut {
    FAULT_KEEPS_NOTHING,
    FAULT_KEEPS_NAMES,
    FAULT_KEEPS_CONTENTS,
    FAULT_KEEPS_SOME,
    FAULT_CUTS
} fault_cut;

/* Writes into `folder`, which is empty, what a cut now would leave. state: of the draws (FAULT_KEEPS_SOME). */
void fault_disk_cut(const fault_disk *disk, fault_cut cut, uint64_t *state, const char *folder);

#endif
