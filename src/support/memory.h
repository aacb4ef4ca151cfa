/* Anonymous memory: 64-byte aligned, counted, and refused with a message instead of a NULL nobody checks. */
#ifndef PARE_SUPPORT_MEMORY_H
#define PARE_SUPPORT_MEMORY_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

/* *out: `count` zeroed elements of `size` bytes, 64-byte aligned; freed with pare_free. `what` names them in the
 * message when there is not enough memory ("block inputs"). count = 0 gives a valid pointer. */
pare_status pare_alloc(void *out, size_t count, size_t size, const char *what);
void pare_free(void *pointer);

/* As pare_alloc, but the pages are not touched: for large buffers that are written before they are read. */
pare_status pare_alloc_uninitialized(void *out, size_t count, size_t size, const char *what);

/* Bytes held now, and the most ever held, by pare_alloc of this process. */
uint64_t pare_memory_current(void);
uint64_t pare_memory_peak(void);
/* Of what the kernel counts (support/usage.h), too. */
void pare_memory_peak_reset(void);

/* The process's anonymous resident memory as the kernel counts it (RssAnon), in bytes; 0 where unknown. */
uint64_t pare_memory_anonymous_resident(void);

/* Bytes of memory that this process could use now without swapping (support/machine.h); 0 where unknown. */
uint64_t pare_memory_available(void);

/* a * b, or false on overflow. */
bool pare_multiply_size(uint64_t a, uint64_t b, uint64_t *product);

#endif
