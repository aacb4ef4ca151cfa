/* One combination of widths: what is left of the dense model at these, with refitted output matrices. */
#ifndef PARE_SEARCH_UNIT_CANDIDATE_H
#define PARE_SEARCH_UNIT_CANDIDATE_H

#include "layerwise/unit_levels.h"
#include "repair/repaired.h"
#include "search/candidates.h"

/* The selection that these levels [layers] stand for; free with pare_selection_free. And their matrices, which stay
 * the levels' (pare_repaired_free does not touch them). */
pare_status pare_unit_levels_select(const pare_unit_levels *levels, const uint32_t (*level)[PARE_STAGES],
                                    pare_selection *selection, pare_repaired *repaired);

/* pare_candidates_divergence of it. */
pare_status pare_unit_candidate_divergence(pare_candidates *candidates, const pare_unit_levels *levels,
                                           const uint32_t (*level)[PARE_STAGES], bool roughly, double *kl);

#endif
