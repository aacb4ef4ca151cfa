/* Reading pages of mapped files into memory before they are needed, and giving them back behind: a thread of its own,
 * because the kernel reads no more of a range in one call than a disk takes in one request, so that whoever asks for
 * hundreds of MB has to wait for most of them. Pages that are given back are read again when they are touched: nothing
 * but time depends on any of this. */
#ifndef PARE_SUPPORT_READ_AHEAD_H
#define PARE_SUPPORT_READ_AHEAD_H

#include <stdint.h>

typedef struct pare_read_ahead pare_read_ahead;

/* NULL: no thread can be had, which the functions below take, and do nothing. */
pare_read_ahead *pare_read_ahead_new(void);
/* Waits for what is being read. To be called before what was asked for is unmapped. */
void pare_read_ahead_free(pare_read_ahead *reader);

/* Asks for bytes to be read, or their whole pages to be given back; in the order in which it was asked. Returns at
 * once; what does not fit into the list of wishes is not done. */
void pare_read_ahead_want(pare_read_ahead *reader, const void *data, uint64_t bytes);
void pare_read_ahead_release(pare_read_ahead *reader, const void *data, uint64_t bytes);

/* Waits until all that was asked for is done. */
void pare_read_ahead_wait(pare_read_ahead *reader);

#endif
