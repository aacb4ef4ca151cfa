/* Pictures that could not be used, of a set that can be otherwise. */
#ifndef PARE_IMAGE_SKIPPED_H
#define PARE_IMAGE_SKIPPED_H

#include "support/status.h"

enum { PARE_SKIPPED_NAMED = 3 };

typedef struct pare_skipped {
    uint32_t seen, count;
    char *reasons[PARE_SKIPPED_NAMED]; /* "a.png is truncated"; freed with pare_skipped_free */
    char *note;                        /* of the last pare_skipped_note */
} pare_skipped;

/* Counts one whose reading has just failed: the failure's message, up to what it says to do, is the reason. name: as it
 * stands in the message; `root`, where it begins so, is left out. */
pare_status pare_skipped_add(pare_skipped *skipped, const char *name, const char *root);

/* One sentence about pictures that were skipped, of all that were seen: "3 of 128 pictures were skipped: a.png is
 * truncated, b.jpg is a JPEG file in CMYK, and 1 more". Valid until the next call; NULL: none were, or (pare_lost) no
 * memory. */
const char *pare_skipped_note(pare_skipped *skipped);

void pare_skipped_free(pare_skipped *skipped);

#endif
