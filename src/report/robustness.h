/* How far selections and perplexities follow a small change: what two runs kept, over methods, ratios and seeds. */
#ifndef PARE_REPORT_ROBUSTNESS_H
#define PARE_REPORT_ROBUSTNESS_H

#include "report/lipschitz.h"

#include <stddef.h>

/* What two runs kept of some units. */
typedef struct pare_overlap {
    uint64_t units, kept_a, kept_b, kept_both;
} pare_overlap;

/* Perplexities of one text: of the model and of the changed one, unpruned and pruned. */
typedef struct pare_robust_text {
    double unpruned, changed_unpruned, pruned, changed; /* perplexities, or losses of pictures */
} pare_robust_text;

/* One seed. */
typedef struct pare_robust_seed {
    uint64_t seed;
    pare_overlap whole; /* of all units of parts that are cut */
    bool by_layer;
    pare_overlap *heads, *ffn; /* [layers] where by_layer */
    double rank_correlation;   /* NaN: the method has no scores */
    pare_robust_text *texts;   /* [text_count] */
} pare_robust_seed;

typedef struct pare_robust_comparison {
    const char *change, *method;
    double ratio;
    pare_robust_seed *seeds; /* [seeds] */
} pare_robust_comparison;

/* Ranks of units before and after, 0 for the least important; `lists` of them, each of units that are ranked among
 * themselves. */
typedef struct pare_rank_list {
    uint32_t *before, *after, count;
} pare_rank_list;

typedef enum pare_rank_groups {
    PARE_RANKS_NONE, /* the method has no scores */
    PARE_RANKS_HIDDEN,
    PARE_RANKS_LAYERS,
    PARE_RANKS_EXPERTS, /* one list for each layer */
    PARE_RANKS_BLOCKS   /* lists: heads and FFN channels of each layer in turn */
} pare_rank_groups;

/* Of the channels of one projection, by the scores of its own elements. */
typedef struct pare_projection_ranks {
    uint32_t layer;
    const char *name; /* "mlp.up_proj" */
    pare_rank_list list;
    double correlation; /* Spearman's, of the scores; NaN: none */
} pare_projection_ranks;

typedef struct pare_robust_ranks {
    const char *change, *method;
    pare_rank_groups groups;
    pare_rank_list *lists; /* [count] */
    size_t count;
    pare_projection_ranks
        *projections; /* [projection_count], by layers and, in each, in the order of the forward pass */
    size_t projection_count;
} pare_robust_ranks;

typedef struct pare_robust_results {
    const char *model;
    uint64_t parameters, seed;
    uint32_t seeds, layers;
    const char *const *texts; /* [text_count], files */
    bool pictures;            /* in their place, and losses in that of perplexities */
    size_t text_count;
    pare_robust_comparison *comparisons; /* [comparison_count] */
    size_t comparison_count;
    pare_robust_ranks *ranks; /* [rank_count] */
    size_t rank_count;
    bool ranked;
    const pare_lipschitz_results *lipschitz; /* or NULL */
    void *storage[3];                        /* behind the arrays */
} pare_robust_results;

/* Comparisons and ranks of `changes` x `methods` x `ratios`, all zero, each with room for results->seeds, ->layers and
 * ->text_count, which are set; ranks where results->ranked. Free with pare_robust_results_free in any case. */
pare_status pare_robust_results_new(pare_robust_results *results, size_t changes, size_t methods, size_t ratios);
void pare_robust_results_free(pare_robust_results *results);

/* results: pare_robust_results. agreement: the share of units with the same fate; kept: |A n B| / max(|A|, |B|) of the
 * kept ones; removed_jaccard: |A n B| / |A u B| of the removed ones. */
json_t *pare_report_robustness(const void *results);

#endif
