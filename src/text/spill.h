/* Text of a size that is not known beforehand: in memory while it is small, then in a scratch file without a name. */
#ifndef PARE_TEXT_SPILL_H
#define PARE_TEXT_SPILL_H

#include "tokenizer/buffer.h"

typedef struct pare_spill {
    pare_buffer small; /* all of it while `file` is 0, else what is not written yet */
    int file;          /* a descriptor; 0: none */
    size_t written;
    void *mapped; /* after pare_spill_finish, where there is a file */
} pare_spill;

/* Starts as {0}. Fails where the scratch folder ($TMPDIR or /tmp) is full. */
pare_status pare_spill_add(pare_spill *spill, const void *data, size_t bytes);
/* All that was added, valid until pare_spill_close. */
pare_status pare_spill_finish(pare_spill *spill, const char **text, size_t *bytes);
void pare_spill_close(pare_spill *spill);

#endif
