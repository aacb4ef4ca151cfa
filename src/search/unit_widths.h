/* The search of widths: for each half of each layer, or for all layers alike. */
#ifndef PARE_SEARCH_UNIT_WIDTHS_H
#define PARE_SEARCH_UNIT_WIDTHS_H

#include "layerwise/unit_levels.h"
#include "search/candidates.h"
#include "search/search.h"
#include "select/target.h"

/* Widths to choose among, around `widths` [layers], which are among them: for each half in the target's range some
 * narrower and some wider ones, `fineness` times as near to each other as at first (1); all layers alike: as many KV
 * groups and channels as the budget leaves (pare_target_budget), the n-th attention beside the n-th FFN from the
 * narrowest on, around now->kv_heads. Of a model whose class loads some numbers of heads alone, these. Free with
 * pare_unit_levels_free. */
pare_status pare_width_levels(const pare_model *model, const pare_target *target, const pare_widths *widths,
                              uint32_t fineness, pare_unit_levels *levels);
pare_status pare_uniform_levels(const pare_model *model, const pare_target *target, const pare_widths *now,
                                uint64_t budget, pare_unit_levels *levels);

/* widths [layers] <- the pair of uniform levels nearest to these in KV groups. */
void pare_uniform_start(const pare_unit_levels *levels, pare_widths *widths);
/* What the budget leaves goes to the FFNs in range, evenly, in the target's multiples; what is above it comes
 * from the widest of them. */
void pare_width_fit(const pare_model *model, const pare_target *target, uint64_t budget, pare_widths *widths);

typedef struct pare_width_search {
    const pare_unit_levels *levels; /* filled by a walk */
    const pare_backend *backend;
    const pare_runtime *runtime;    /* for progress; may be NULL */
    pare_candidate_windows windows; /* that the walk has not seen */
    const pare_width_costs *costs;  /* what widths cost; NULL: parameters */
    uint64_t budget;                /* of the whole model, as pare_width_cost has it */
    uint32_t steps;
    uint64_t seed;
    bool random;  /* as in pare_search_space */
    bool uniform; /* all layers alike: levels are pairs of the same index */
} pare_width_search;

/* Bytes that it holds beside the levels. PARE_OUT_OF_MEMORY, naming what to change, if it does not fit. levels: filled
 * or not. */
pare_status pare_width_search_measure(const pare_width_search *search, uint64_t *bytes);

/* And what it has to do, about. left: of the operations of blocks, in a model of the budget's size. */
pare_status pare_width_search_work(const pare_width_search *search, double left, pare_work *out);

/* widths: [layers] in, where the search begins, all of them levels; out, what it found. */
pare_status pare_width_search_run(const pare_width_search *search, pare_widths *widths, pare_search_found *found);

#endif
