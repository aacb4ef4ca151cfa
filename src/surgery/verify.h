/* The check after writing: the files on disk, opened afresh, must compute what the masked model in memory computes. */
#ifndef PARE_SURGERY_VERIFY_H
#define PARE_SURGERY_VERIFY_H

#include "select/select.h"

/* One fp32 forward of `ids` [1, length] through both; the logits must agree to `PARE_VERIFY_BOUND` of the largest one.
 * PARE_CHECK_FAILED otherwise. */
#define PARE_VERIFY_BOUND 1e-3
pare_status pare_verify_written(const pare_model *dense, const pare_selection *selection, const char *directory,
                                const uint32_t *ids, int64_t length, const pare_runtime *runtime);

#endif
