/* State too large to be sure of memory: zeroed floats in anonymous memory, or in a scratch file that has no name (it is
 * unlinked as soon as it is open, so it vanishes however the program ends). */
#ifndef PARE_SUPPORT_SCRATCH_H
#define PARE_SUPPORT_SCRATCH_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pare_scratch {
    void *data;
    uint64_t bytes;
    bool in_file;
} pare_scratch;

/* directory NULL: anonymous memory. Otherwise a file in `directory`, its blocks reserved now, so that a full disk is
 * reported here and not by a signal later. `what` names the contents in messages. */
pare_status pare_scratch_open(pare_scratch *out, uint64_t bytes, const char *directory, const char *what);
void pare_scratch_close(pare_scratch *scratch);

#endif
