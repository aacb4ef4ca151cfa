#include "search/unit_candidate.h"
#include "surgery/narrow_model.h"

static pare_status select_part(const pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t level,
                               pare_kept *kept, pare_repaired *repaired) {
    const pare_level_part *part = &levels->part[layer][stage];
    bool heads = stage == PARE_STAGE_ATTENTION;
    if (!part->count) return PARE_OK;
    repaired->matrix[pare_tensor_id(layer, heads ? PARE_ROLE_O : PARE_ROLE_DOWN)] = part->matrix[level];
    return heads ? pare_kept_set_groups(levels->model, layer, part->kept[level], part->width[level], kept)
                 : pare_kept_set_channels(part->kept[level], part->width[level], kept);
}

pare_status pare_unit_levels_select(const pare_unit_levels *levels, const uint32_t (*level)[PARE_STAGES],
                                    pare_selection *selection, pare_repaired *repaired) {
    PARE_TRY(pare_selection_all(levels->model, selection));
    pare_status status = pare_repaired_new(levels->model, 0, NULL, repaired);
    for (uint32_t layer = 0; layer < levels->model->config.layers && status == PARE_OK; layer++)
        for (int stage = 0; stage < PARE_STAGES && status == PARE_OK; stage++)
            status =
                select_part(levels, layer, (pare_stage)stage, level[layer][stage], &selection->layer[layer], repaired);
    if (status == PARE_OK) return PARE_OK;
    pare_selection_free(selection);
    pare_repaired_free(repaired);
    return status;
}

pare_status pare_unit_candidate_divergence(pare_candidates *c, const pare_unit_levels *levels,
                                           const uint32_t (*level)[PARE_STAGES], bool roughly, double *kl) {
    pare_selection selection;
    pare_repaired repaired;
    pare_narrow_model narrow;
    pare_source source = c->source;
    PARE_TRY(pare_unit_levels_select(levels, level, &selection, &repaired));
    pare_status status = pare_narrow_model_new(levels->model, &selection, &repaired, &narrow);
    if (status == PARE_OK) {
        pare_narrow_model_apply(&narrow, &source);
        status = pare_candidates_divergence(c, &source, level, roughly, kl);
        pare_narrow_model_free(&narrow);
    }
    pare_selection_free(&selection);
    pare_repaired_free(&repaired);
    return status;
}
