/* Who shared the work, where there was more than one (support/peer.h). */
#ifndef PARE_REPORT_RANKS_H
#define PARE_REPORT_RANKS_H

#include "support/json.h"
#include "support/peer_engine.h"

#include <stdint.h>

typedef struct pare_rank_cost {
    char host[PARE_PEER_HOST];
    double waited; /* seconds in which it sent, received, or waited for another */
    uint64_t sent; /* bytes */
} pare_rank_cost;

/* A list of them, by rank. */
json_t *pare_report_ranks(const pare_rank_cost *ranks, size_t count);

#endif
