/* Which units go, from their scores. */
#ifndef PARE_SELECT_SELECT_H
#define PARE_SELECT_SELECT_H

#include "importance/scores.h"
#include "select/selection.h"
#include "select/target.h"

/* Chooses by target->mode and target->ranking. model: as it is now, with as many layers as the goal's; scores: of its
 * units. Free *out with pare_selection_free. */
pare_status pare_select(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                        const pare_goal *goal, pare_selection *out);

/* Keeps the highest scores of each layer at these widths; of equal ones the lower index goes first. query_heads: of
 * every KV group, widths[layer].heads / kv_heads query heads. */
pare_status pare_select_at_widths(const pare_model *model, const pare_unit_scores *scores, const pare_widths *widths,
                                  bool query_heads, pare_selection *out);

/* The indices of the `keep` highest of `count` scores, ascending (pare_free). */
pare_status pare_keep_highest(const double *scores, uint32_t count, uint32_t keep, uint32_t **kept);

#endif
