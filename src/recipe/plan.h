/* The memory plan of a calibration: what fits where, made before the work starts. */
#ifndef PARE_RECIPE_PLAN_H
#define PARE_RECIPE_PLAN_H

#include "recipe/recipe.h"

typedef struct pare_calibration_plan {
    pare_pass_shape shape; /* of the gradient pass; no gradients where the recipe needs none */
    bool *scored;          /* [tensor_count] matrices whose units are scored */
    bool *displaced;       /* [tensor_count] tensors the Moreau iteration displaces */
    const char *scratch;   /* folder of the displacement's scratch file, or NULL: in memory */
    pare_plan sizes;
} pare_calibration_plan;

pare_status pare_plan_new(const pare_model *model, const pare_backend *backend, const pare_recipe *recipe,
                          const pare_runtime *runtime, uint32_t layer_begin, uint32_t layer_end, pare_displace displace,
                          int64_t sequences, int64_t length, pare_calibration_plan *out);
void pare_plan_free(pare_calibration_plan *plan);

#endif
