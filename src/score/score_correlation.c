#include "importance/rank.h"
#include "score/score_internal.h"

#include <math.h>

typedef struct mean_of_groups {
    double total;
    uint32_t groups;
} mean_of_groups;

/* Groups without a correlation (one unit, or all alike) do not count. */
static pare_status add_group(mean_of_groups *mean, const double *a, const double *b, uint32_t count) {
    double one;
    PARE_TRY(pare_rank_correlation(a, b, count, &one));
    if (!isfinite(one)) return PARE_OK;
    mean->total += one;
    mean->groups++;
    return PARE_OK;
}

static pare_status add_blocks(mean_of_groups *mean, const pare_config *c, bool query_heads, const pare_unit_scores *a,
                              const pare_unit_scores *b) {
    for (uint32_t i = 0; i < c->layers; i++) {
        const pare_widths *w = &c->widths[i];
        if (query_heads)
            PARE_TRY(add_group(mean, a->query[i], b->query[i], w->heads));
        else
            PARE_TRY(add_group(mean, a->heads[i], b->heads[i], w->kv_heads));
        PARE_TRY(add_group(mean, a->ffn[i], b->ffn[i], w->ffn));
        for (uint32_t expert = 0; expert < w->experts; expert++)
            PARE_TRY(add_group(mean, pare_unit_scores_of_expert(a, w, i, expert),
                               pare_unit_scores_of_expert(b, w, i, expert), w->expert_ffn));
    }
    return PARE_OK;
}

static pare_status add_experts(mean_of_groups *mean, const pare_config *c, const pare_unit_scores *a,
                               const pare_unit_scores *b) {
    for (uint32_t i = 0; i < c->layers; i++)
        PARE_TRY(add_group(mean, a->expert[i], b->expert[i], c->widths[i].experts));
    return PARE_OK;
}

pare_status pare_score_correlation(const pare_model *model, const pare_recipe *recipe, const pare_unit_scores *a,
                                   const pare_unit_scores *b, double *out) {
    const pare_config *c = &model->config;
    mean_of_groups mean = {0};
    if (recipe->mode == PARE_MODE_CHANNEL)
        PARE_TRY(add_group(&mean, a->hidden, b->hidden, c->hidden));
    else if (recipe->mode == PARE_MODE_LAYER)
        PARE_TRY(add_group(&mean, a->layer, b->layer, c->layers));
    else if (recipe->mode == PARE_MODE_EXPERT)
        PARE_TRY(add_experts(&mean, c, a, b));
    else
        PARE_TRY(add_blocks(&mean, c, recipe->query_heads, a, b));
    *out = mean.groups ? mean.total / mean.groups : NAN;
    return PARE_OK;
}
