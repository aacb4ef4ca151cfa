/* The check after writing: the files on disk, opened afresh, must compute what the masked model in memory computes. */
#ifndef PARE_SURGERY_VERIFY_H
#define PARE_SURGERY_VERIFY_H

#include "repair/repaired.h"

/* One forward of `ids` [1, length] through both, in fp32 unless only bf16 fits the memory limit; the logits must agree
 * to a share of the largest one. In bf16 a sum in another order may round an activation to its neighbour, 2^-8 away, a
 * few times on the way; a wrong row or column changes logits by their own size. PARE_CHECK_FAILED otherwise.
 * repaired: what was written in place of the original's weights; may be NULL. */
#define PARE_VERIFY_BOUND 1e-3
#define PARE_VERIFY_BOUND_BF16 5e-2
pare_status pare_verify_written(const pare_model *dense, const pare_selection *selection, const pare_repaired *repaired,
                                const char *directory, const uint32_t *ids, int64_t length,
                                const pare_runtime *runtime);

/* The same of two models that are open. mask: of what the first one is without; NULL: it is whole. least: no bound is
 * below it. */
struct pare_mask;
pare_status pare_verify_model(const pare_model *dense, const struct pare_mask *mask, const pare_model *written,
                              double least, const uint32_t *ids, int64_t length, const pare_runtime *runtime);

/* PARE_CHECK_FAILED, naming the folder, unless all logits agree to a share `bound` of the largest expected one;
 * PARE_NUMERIC_ERROR if those that are expected are not finite. */
pare_status pare_verify_logits(const float *written, const float *expected, size_t count, double bound,
                               const char *directory);

#endif
