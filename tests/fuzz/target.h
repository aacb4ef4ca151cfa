/* A fuzz target is one kind of file that comes from strangers, and the reader of it. Whatever bytes the file has, the
 * reader accepts them and what it then says of them holds, or it refuses with one sentence and holds nothing. */
#ifndef PARE_TESTS_FUZZ_TARGET_H
#define PARE_TESTS_FUZZ_TARGET_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_target {
    const char *name;
    const char *file;                    /* the name that what is tried has in the target's folder */
    void (*prepare)(const char *folder); /* writes what lies beside it, once; or NULL */
    void (*seed)(const char *folder);    /* writes sound files, by any names */
    pare_status (*read)(const char *folder, const char *path); /* path: folder/file */
    int copies; /* damaged ones of each sound file that ./test tries; 0: 40. Fewer where a read takes milliseconds */
} fuzz_target;

/* The targets of each room, NULL after the last. */
extern const fuzz_target *const fuzz_checkpoint_targets[],
    *const fuzz_model_targets[], *const fuzz_text_targets[], *const fuzz_image_targets[],
                                                                 *const fuzz_job_targets[],
                                                                     *const fuzz_state_targets[],
                                                                         *const fuzz_resume_targets[],
                                                                             *const fuzz_family_targets[],
                                                                                 *const fuzz_exchange_targets[],
                                                                                     *const fuzz_command_targets[];

/* All of them; NULL after the last. */
const fuzz_target *fuzz_target_at(size_t index);
const fuzz_target *fuzz_target_find(const char *name);

/* Lets the target read these bytes, in a folder of its own that goes when the process ends. Aborts, with a line on
 * standard error, where something does not hold. */
pare_status fuzz_try(const fuzz_target *target, const unsigned char *data, size_t bytes);

/* Writes folder/`as` with what from/`name` has. */
void fuzz_copy(const char *from, const char *name, const char *folder, const char *as);

/* Aborts unless it is fine. */
void fuzz_check(bool fine, const char *what);

#endif
