/* From calibration ids to unit scores: the signal, the salience and the reduction of a recipe. */
#ifndef PARE_SCORE_SCORE_H
#define PARE_SCORE_SCORE_H

#include "calibrate/expert_load.h"
#include "calibrate/input_norms.h"
#include "importance/projection_scores.h"
#include "report/trace.h"
#include "score/plan.h"

typedef struct pare_score_request {
    const pare_model *model;
    const pare_backend *backend;
    const pare_recipe *recipe;
    const pare_calibration_plan *plan;
    const pare_runtime *runtime;
    uint64_t seed;
    const uint32_t *ids; /* [batches, sequences, length] of the plan's shape, unused where the recipe has no signal */
    const pare_input_norms *norms; /* in place of ids, where the signal is norms of inputs; or NULL */
    uint32_t batches;              /* 1, or one for each step of the iteration */
    const char *digest;            /* of the calibration ids, 64 hexadecimal digits */
    const char *state; /* file that an iteration is saved to after each step, or what passes came to after each, and
                        * taken up from; NULL: none */
    const char *key;   /* what that file belongs to, 64 hexadecimal digits */
    pare_cache *cache; /* or NULL */
    /* Instead of scores of units: [tensor_count] where the signal of the plan's tensors is added up, zeroed; |g| of
     * every draw for SmoothGrad. NULL: units are scored. */
    float *const *gradient;
    float *const *squares;     /* likewise, or NULL */
    bool projections;          /* also the scores of each projection by itself */
    const pare_target *target; /* that gates are learnt for, and what it comes to; NULL where there are none */
    const pare_goal *goal;
} pare_score_request;

typedef struct pare_score_result {
    pare_unit_scores scores;
    double loss;             /* of the calibration batch; NaN where none was needed */
    pare_moreau_step *trace; /* [steps], NULL unless Moreau */
    int32_t steps;
    pare_gate_trace gates; /* where they were learnt */
    float **factors;       /* [tensor_count] of columns, that they came to (train/gates.h); NULL: there are none */
    size_t factor_count;
    pare_expert_load load;              /* where experts were scored; no layers: they were not */
    pare_projection_scores projections; /* where they were asked for and there are elements to be summed */
} pare_score_result;

/* Free with pare_score_free. */
pare_status pare_score_units(const pare_score_request *request, pare_score_result *out);
void pare_score_free(pare_score_result *result);
/* Without the projections. */
pare_status pare_score_copy(const pare_model *model, const pare_score_result *from, pare_score_result *out);

/* Mean of Spearman's rank correlation over the groups that the recipe ranks by themselves: the heads, and the channels,
 * of each layer; the channels of the residual stream; or the layers. NaN where no group has one. */
pare_status pare_score_correlation(const pare_model *model, const pare_recipe *recipe, const pare_unit_scores *a,
                                   const pare_unit_scores *b, double *mean);

#endif
