/* The front of a safetensors file that is written: length and header (layout at the top of safetensors.c). */
#ifndef PARE_CHECKPOINT_HEADER_H
#define PARE_CHECKPOINT_HEADER_H

#include "checkpoint/durable.h"

#include <jansson.h>
#include <stdint.h>

/* Describes a tensor of `bytes` bytes at *end of the data section, and moves *end behind it. dtype: as safetensors
 * spells it. */
void pare_header_add(json_t *header, const char *name, const char *dtype, const uint64_t *shape, int rank,
                     uint64_t bytes, uint64_t *end);

/* Creates the file `path` (an existing one is an error), with room for a data section of `data` bytes, and writes
 * length and header, which is filled up with spaces so that the data section begins at a multiple of 64 bytes. On
 * failure nothing is left to close. header: stays the caller's; NULL counts as a lack of memory. */
pare_status pare_header_create(const char *path, const json_t *header, uint64_t data, pare_durable *out);

#endif
