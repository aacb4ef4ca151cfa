/* Where a part of the round under way is kept. */
#include "prune/prune_job.h"
#include "support/path.h"

#include <stdlib.h>

pare_status pare_prune_kept(const pare_prune_job *job, const char *name, pare_kept_fn run, void *context) {
    const pare_prune_progress *progress = job->progress;
    if (!progress) return run(context, NULL, NULL);
    char *state = pare_format("%s/%s", progress->folder, name);
    pare_status status = state ? run(context, state, progress->round_key) : pare_whole();
    free(state);
    return status;
}
