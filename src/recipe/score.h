/* From calibration ids to unit scores: the signal, the salience and the reduction of a recipe. */
#ifndef PARE_RECIPE_SCORE_H
#define PARE_RECIPE_SCORE_H

#include "recipe/plan.h"

typedef struct pare_score_result {
    pare_unit_scores scores;
    double loss;             /* of the calibration batch; NaN where none was needed */
    pare_moreau_step *trace; /* [steps], NULL unless Moreau */
    int32_t steps;
} pare_score_result;

/* ids: [sequences, length] of the plan's shape, unused where the recipe has no signal. Free with pare_score_free. */
pare_status pare_score_units(const pare_model *model, const pare_backend *backend, const pare_recipe *recipe,
                             const pare_calibration_plan *plan, const pare_runtime *runtime, uint64_t seed,
                             const uint32_t *ids, pare_score_result *out);
void pare_score_free(pare_score_result *result);

#endif
