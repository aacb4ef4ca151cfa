/* What each rank of a run spent on the others, for its report. */
#ifndef PARE_RUN_RANKS_H
#define PARE_RUN_RANKS_H

#include "report/ranks.h"
#include "support/status.h"

/* Called by all ranks. *out: [*count], the same on all, freed with pare_free; NULL and 0 without others. */
pare_status pare_run_ranks(pare_rank_cost **out, size_t *count);

/* Called by all ranks: *text of the first goes to all others, where it is NULL before; freed with pare_free. */
pare_status pare_run_tell(char **text);

#endif
