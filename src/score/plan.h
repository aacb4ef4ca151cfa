/* The memory plan of a calibration: what fits where, made before the work starts. */
#ifndef PARE_SCORE_PLAN_H
#define PARE_SCORE_PLAN_H

#include "method/recipe.h"
#include "support/work.h"

typedef struct pare_calibration_plan {
    pare_pass_shape shape; /* of the gradient pass; no gradients where the recipe needs none */
    int64_t group;         /* sequences that a pass takes at a time where they may be divided; else all */
    bool *scored;          /* [tensor_count] tensors whose units are scored */
    bool *displaced;       /* [tensor_count] tensors the Moreau iteration displaces */
    const char *scratch;   /* folder of the displacement's scratch file, or NULL: in memory */
    pare_plan sizes;
    pare_work work; /* of the signal */
} pare_calibration_plan;

/* What the plan is for. */
typedef struct pare_plan_request {
    const pare_recipe *recipe;
    const pare_target *target; /* whose ranges and mode say what can be cut */
    const bool *only;          /* [tensor_count] in element mode, and for whole experts: these matrices instead */
    pare_displace displace;
    bool score_all;            /* score the other layers too, for a scores file, where the signal exists there */
    int64_t sequences, length; /* 0: no text goes through the model */
} pare_plan_request;

pare_status pare_plan_new(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                          const pare_plan_request *request, pare_calibration_plan *out);
void pare_plan_free(pare_calibration_plan *plan);

#endif
