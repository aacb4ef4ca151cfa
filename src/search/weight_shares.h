/* The search of shares of single weights: one for attention and one for the FFN of each layer. */
#ifndef PARE_SEARCH_WEIGHT_SHARES_H
#define PARE_SEARCH_WEIGHT_SHARES_H

#include "layerwise/weight_levels.h"
#include "search/candidates.h"
#include "search/search.h"

typedef struct pare_share_search {
    const pare_weight_levels *levels; /* filled by a walk */
    const pare_backend *backend;
    const pare_runtime *runtime;    /* for progress; may be NULL */
    pare_candidate_windows windows; /* that the walk has not seen */
    uint32_t steps;
    uint64_t seed;
    bool random; /* as in pare_search_space */
} pare_share_search;

/* Bytes that it holds beside the levels. PARE_OUT_OF_MEMORY, naming what to change, if it does not fit. */
pare_status pare_share_search_measure(const pare_share_search *search, uint64_t *bytes);

/* And what it has to do, about: halves of layers that lose weights have as many levels each. */
pare_status pare_share_search_work(const pare_share_search *search, pare_work *out);

/* shares: [tensor_count] of the pruned matrices, in, in the walk; out, what was found: together no fewer weights go. */
pare_status pare_share_search_run(const pare_share_search *search, double *shares, pare_search_found *found);

#endif
