/* How much is to remain: the target, and what it means in units before any score is known. */
#ifndef PARE_SELECT_TARGET_H
#define PARE_SELECT_TARGET_H

#include "select/width_costs.h"

/* What is removed. */
typedef enum pare_mode {
    PARE_MODE_BLOCK,   /* heads and FFN channels inside the blocks */
    PARE_MODE_CHANNEL, /* channels of the residual stream, everywhere */
    PARE_MODE_LAYER,   /* whole layers */
    PARE_MODE_ELEMENT, /* single weights of the blocks' matrices, which become zero */
    PARE_MODE_EXPERT   /* whole experts, as many in each layer that has some */
} pare_mode;

/* Among which units scores are compared. */
typedef enum pare_ranking {
    PARE_RANK_LOCAL,   /* the heads, and the channels, of one layer: every layer loses the same share of each */
    PARE_RANK_UNIFORM, /* all layers alike, heads against channels: one width for all, of the local parameter count */
    PARE_RANK_GLOBAL,  /* all units, by score per parameter, down to the local parameter count */
    PARE_RANK_GLOBAL_RAW,  /* all units, a head and a channel alike one unit each, as LLM-Pruner has it */
    PARE_RANK_RISING,      /* local, with a share that grows from the first layer to the last */
    PARE_RANK_GLOBAL_SCORE /* all units, by score alone, down to the local parameter count */
} pare_ranking;

/* Half-open; empty: this part is not pruned. */
typedef struct pare_layer_range {
    uint32_t begin, end;
} pare_layer_range;

static inline bool pare_layer_in(pare_layer_range range, uint32_t layer) {
    return layer >= range.begin && layer < range.end;
}

typedef struct pare_target {
    pare_mode mode;
    pare_ranking ranking;
    bool query_heads;                /* query heads inside every KV group go, instead of whole groups */
    double ratio;                    /* share of units, unless another target is given */
    const double *ratios;            /* [layers] a share for each layer, or NULL */
    uint64_t parameters, bytes;      /* target totals; 0: none. bytes: of the weights at their own dtypes */
    double latency;                  /* share of the dense model's time per token, by `costs`; 0: none */
    const pare_width_costs *costs;   /* NULL with another target */
    pare_layer_range attention, ffn; /* layers that lose heads, channels; the same two in layer mode */
    uint32_t round_to;               /* kept FFN (or hidden) widths are rounded up to a multiple; 0: not */
    double keep_min;                 /* share of a layer's heads and channels that stays in any case */
    const pare_widths *before;       /* [layers] that keep_min is a share of; NULL: the model's own */
    bool halves_go;                  /* a layer may lose all of its heads, or channels */
    double rise;                     /* PARE_RANK_RISING: from ratio (1 - rise) to ratio (1 + rise) */
} pare_target;

/* What shall remain. */
typedef struct pare_goal {
    double ratio;        /* given, or solved for */
    pare_widths *widths; /* [layers] in block mode, with local ranking */
    uint32_t hidden;     /* in channel mode */
    uint32_t layers;     /* in layer mode */
    uint64_t units;      /* heads and channels in range, before */
    uint64_t parameters; /* of what remains so; the budget of global and uniform rankings */
    uint64_t bytes;      /* likewise, at the tensors' own dtypes */
} pare_goal;

/* Parameters of the model with these widths and this hidden size. */
uint64_t pare_parameters_with(const pare_model *model, const pare_widths *widths, uint32_t hidden);

/* The fewest of the units of layer `layer` that stay: KV groups, query heads of each group where those go one by one,
 * or FFN channels. At least one of those that it has, unless halves go. */
uint32_t pare_target_least_heads(const pare_model *model, const pare_target *target, uint32_t layer);
uint32_t pare_target_least_channels(const pare_model *model, const pare_target *target, uint32_t layer);

/* What widths may cost in all, in the unit of pare_width_cost(target->costs): the goal's parameters, or time. */
uint64_t pare_target_budget(const pare_model *model, const pare_target *target, const pare_goal *goal);

/* channels, rounded up as the target says, but no more than `most`. */
uint32_t pare_target_round(const pare_target *target, uint64_t channels, uint32_t most);

/* share: of the way to the target, 1 but in iterations. Rounding as in the reference: of n indices, n - trunc(n (1 -
 * ratio)) go; heads: whole heads of that, rounded down; channels: exactly. Totals are solved for: the smallest ratio
 * that reaches them. Fails if a layer would be left without a head or a channel, or a total cannot be reached, or
 * nothing would go. Free with pare_goal_free. */
pare_status pare_goal_new(const pare_model *model, const pare_target *target, double share, pare_goal *out);
void pare_goal_free(pare_goal *goal);

#endif
