#include "select/select.h"
#include "model/config_experts.h"
#include "model/config_write.h"
#include "select/ladder.h"
#include "support/memory.h"

#include <string.h>

/* Widths that were found step by step are rounded up afterwards, which never takes them below the budget. */
static pare_status round_widths(const pare_model *model, const pare_target *target, pare_widths *widths,
                                pare_status status) {
    for (uint32_t i = 0; status == PARE_OK && i < model->config.layers; i++)
        widths[i].ffn = pare_target_round(target, widths[i].ffn, model->config.widths[i].ffn);
    return status;
}

pare_status pare_allocate(const pare_model *model, const pare_unit_scores *scores, const pare_ladders *ladders,
                          const pare_target *target, const pare_goal *goal, pare_widths *widths) {
    switch (target->ranking) {
    case PARE_RANK_UNIFORM:
        return round_widths(model, target, widths,
                            pare_allocate_uniform(model, ladders, target, goal->parameters, widths));
    case PARE_RANK_GLOBAL:
    case PARE_RANK_GLOBAL_SCORE:
        return round_widths(model, target, widths,
                            pare_allocate_global(model, ladders, target, goal->parameters, widths));
    case PARE_RANK_GLOBAL_RAW:
        return round_widths(model, target, widths, pare_allocate_global_raw(model, scores, target, goal, widths));
    default:
        memcpy(widths, goal->widths, model->config.layers * sizeof *widths);
        return PARE_OK;
    }
}

static pare_status select_block(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                                const pare_goal *goal, pare_selection *out) {
    pare_ladders ladders;
    pare_widths *widths = NULL;
    PARE_TRY(pare_ladders_new(model, scores, target, &ladders));
    pare_status status = pare_alloc(&widths, model->config.layers, sizeof *widths, "widths");
    if (status == PARE_OK) status = pare_allocate(model, scores, &ladders, target, goal, widths);
    if (status == PARE_OK) status = pare_select_at_widths(model, scores, widths, target->query_heads, out);
    pare_free(widths);
    pare_ladders_free(&ladders);
    return status;
}

static pare_status select_hidden(const pare_model *model, const pare_unit_scores *scores, const pare_goal *goal,
                                 pare_selection *out) {
    bool tied = pare_config_ties_heads(&model->config), single = model->config.widths[0].kv_heads == 1;
    PARE_TRY(tied ? pare_select_at_widths(model, scores, goal->widths, single, out) : pare_selection_all(model, out));
    out->hidden = goal->hidden;
    if (goal->hidden == model->config.hidden) return PARE_OK;
    pare_status status = pare_keep_highest(scores->hidden, model->config.hidden, goal->hidden, &out->hidden_channel);
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}

/* Layers out of range stay, whatever their score. */
static pare_status select_layers(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                                 const pare_goal *goal, pare_selection *out) {
    uint32_t begin = target->attention.begin, count = target->attention.end - begin, *kept;
    uint32_t keep = count - (model->config.layers - goal->layers);
    PARE_TRY(pare_keep_highest(scores->layer + begin, count, keep, &kept));
    pare_status status = pare_selection_all(model, out);
    for (uint32_t i = 0, at = 0; i < count && status == PARE_OK; i++)
        if (at < keep && kept[at] == i)
            at++;
        else
            pare_kept_drop(&out->layer[begin + i]);
    pare_free(kept);
    return status;
}

/* As many in each group, one group after the other. */
static pare_status keep_in_groups(const double *scores, uint32_t all, uint32_t keep, uint32_t groups, pare_kept *out) {
    uint32_t each = all / groups, left = keep / groups, *list, *kept;
    PARE_TRY(pare_alloc(&list, keep, sizeof *list, "kept units"));
    pare_status status = PARE_OK;
    for (uint32_t group = 0; group < groups && status == PARE_OK; group++) {
        status = pare_keep_highest(scores + group * each, each, left, &kept);
        for (uint32_t i = 0; i < left && status == PARE_OK; i++)
            list[group * left + i] = group * each + kept[i];
        if (status == PARE_OK) pare_free(kept);
    }
    if (status == PARE_OK) status = pare_kept_set_experts(list, keep, out);
    pare_free(list);
    return status;
}

static pare_status select_experts(const pare_model *model, const pare_unit_scores *scores, const pare_goal *goal,
                                  pare_selection *out) {
    PARE_TRY(pare_selection_all(model, out));
    const uint32_t groups = pare_experts_ranked_apart(&model->config.experts);
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < model->config.layers && status == PARE_OK; i++) {
        uint32_t all = model->config.widths[i].experts, keep = goal->widths[i].experts;
        if (keep == all) continue;
        status = keep_in_groups(scores->expert[i], all, keep, groups, &out->layer[i]);
    }
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}

pare_status pare_select(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                        const pare_goal *goal, pare_selection *out) {
    switch (target->mode) {
    case PARE_MODE_CHANNEL:
        return select_hidden(model, scores, goal, out);
    case PARE_MODE_LAYER:
        return select_layers(model, scores, target, goal, out);
    case PARE_MODE_EXPERT:
        return select_experts(model, scores, goal, out);
    case PARE_MODE_ELEMENT: /* removes no units */
        return pare_selection_all(model, out);
    case PARE_MODE_BLOCK:
        break;
    }
    return select_block(model, scores, target, goal, out);
}
