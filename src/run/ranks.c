#include "run/ranks.h"
#include "support/memory.h"
#include "support/peer.h"

#include <stdio.h>
#include <string.h>

pare_status pare_run_ranks(pare_rank_cost **out, size_t *count) {
    *out = NULL;
    *count = 0;
    if (pare_peer_count() == 1) return PARE_OK;
    pare_peer_cost cost = pare_peer_cost_of();
    pare_rank_cost own = {.waited = cost.seconds, .sent = cost.bytes};
    size_t ranks = (size_t)pare_peer_count();
    snprintf(own.host, sizeof own.host, "%s", pare_peer_host(pare_peer_rank()));
    PARE_TRY(pare_alloc(out, ranks, sizeof **out, "what the ranks spent"));
    pare_status status = pare_peer_gather(&own, sizeof own, pare_peer_rank() ? NULL : *out);
    if (status == PARE_OK) status = pare_peer_broadcast(*out, ranks * sizeof **out, 0);
    if (status == PARE_OK) *count = ranks;
    return status;
}

pare_status pare_run_tell(char **text) {
    uint64_t bytes = *text ? strlen(*text) + 1 : 0;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_broadcast(&bytes, sizeof bytes, 0));
    if (!*text) PARE_TRY(pare_alloc(text, bytes, 1, "a report"));
    return pare_peer_broadcast(*text, bytes, 0);
}
