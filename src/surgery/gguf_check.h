/* The check of a GGUF file that was written: opened afresh, it must be the model. */
#ifndef PARE_SURGERY_GGUF_CHECK_H
#define PARE_SURGERY_GGUF_CHECK_H

#include "model/gguf_write.h"

/* See pare_gguf_export_write. */
pare_status pare_gguf_check(const pare_gguf_plan *plan, const char *path, const pare_runtime *runtime);

#endif
