/* Windows are evaluated in groups as large as memory allows, so that the weights stream through once per group. */
#ifndef PARE_EVALUATE_GROUP_H
#define PARE_EVALUATE_GROUP_H

#include "model/pass.h"
#include "text/corpus.h"

/* The shape of a pass for these windows within `limit` bytes (0: none set). composed, rank: as in
 * pare_pass_shape. Fails with PARE_OUT_OF_MEMORY if not even one window fits. */
pare_status pare_group_shape(const pare_model *model, const pare_backend *backend, const pare_windows *windows,
                             bool composed, int64_t rank, uint64_t limit, pare_pass_shape *out);

/* Reports the layers that all groups have passed. */
typedef struct pare_group_progress {
    const pare_runtime *runtime;
    const char *stage;
    uint64_t before, total; /* layers before the running pass, and of all of them */
} pare_group_progress;

/* For pare_pass_on_step; context: pare_group_progress. */
pare_status pare_group_step(void *context, uint64_t done, uint64_t total);

#endif
