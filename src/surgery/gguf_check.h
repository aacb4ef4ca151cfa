/* The check of a GGUF file that was written: opened afresh, it must be the model. */
#ifndef PARE_SURGERY_GGUF_CHECK_H
#define PARE_SURGERY_GGUF_CHECK_H

#include "model/gguf_write.h"

/* Of all numbers of the model: its zeros, and those that are none in the file, as blocks with an offset make of them.
 */
typedef struct pare_gguf_zeros {
    uint64_t numbers, all, lost;
} pare_gguf_zeros;

/* See pare_gguf_export_write. */
pare_status pare_gguf_check(const pare_gguf_plan *plan, const char *path, const pare_runtime *runtime,
                            pare_gguf_zeros *zeros);

#endif
