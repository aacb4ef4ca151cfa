/* Single weights go, block by block: a block runs on the inputs that the pruned blocks before it have left, is
 * observed, pruned, and run again for the next one (docs/single-weights.md, "The walk").
 *
 *   one stage    all matrices are pruned by what the dense block showed
 *   four stages  Q, K, V; O; gate, up; down: each by what the block showed with the earlier ones pruned
 *
 * A matrix passes through: scores, mask, refinement of the mask, repair of what is left. */
#ifndef PARE_LAYERWISE_WEIGHTS_H
#define PARE_LAYERWISE_WEIGHTS_H

#include "calibrate/input_norms.h"
#include "calibrate/linear_fisher.h"
#include "layerwise/layerwise.h"
#include "layerwise/weight_levels.h"
#include "method/recipe.h"
#include "report/matrices.h"
#include "train/trained.h"

typedef struct pare_weights_job {
    const pare_source *source;
    const pare_runtime *runtime; /* for progress; may be NULL */
    const pare_recipe *recipe;
    const uint32_t *ids; /* [sequences, length]; unused where nothing is observed */
    int64_t sequences, length;
    const pare_input_norms *norms; /* of the dense model, in place of ids, where nothing else is observed; or NULL */
    uint64_t limit;                /* bytes of anonymous memory; 0: none set */
    const char *scratch;           /* folder for what does not fit; NULL: none */
    const char *state, *key;       /* of finished layers, as in pare_layerwise_request */
    uint64_t seed;
    const bool *pruned;               /* [tensor_count] */
    const double *sparsity;           /* [tensor_count] */
    bool fixed;                       /* sparsities are not to be allocated */
    pare_weight_levels *levels;       /* filled on the way where not NULL */
    bool scores_only;                 /* nothing is pruned: for pare_weights_scores */
    int64_t keep, of;                 /* the pattern; of = 0: none */
    float *const *gradient;           /* [tensor_count] of each matrix, or NULL */
    float *const *squares;            /* [tensor_count] mean squares of the samples' gradients, or NULL */
    pare_fisher_choice felt;          /* of what there are metrics, where the recipe feels outputs */
    const pare_linear_fisher *fisher; /* what the loss feels of each matrix's output; NULL: its square */
    pare_trained *residual; /* a LoRA whose factors become what is lost of the matrices that it has; or NULL */
} pare_weights_job;

/* What pare_weights_run would hold. PARE_OUT_OF_MEMORY, naming what to change, if it does not fit. */
pare_status pare_weights_measure(const pare_weights_job *job, pare_layerwise_memory *out);
/* And what it has to do. */
pare_work pare_weights_work(const pare_weights_job *job);

/* repaired: every pruned matrix as it will be written, freed with pare_repaired_free. results: [tensor_count], zeroed.
 * sparsity: [tensor_count] out, what each matrix was to lose. Same bits for the same inputs and threads. */
pare_status pare_weights_run(const pare_weights_job *job, pare_repaired *repaired, pare_matrix_result *results,
                             double *sparsity);

/* A pruned matrix as the dense model has it. */
typedef struct pare_matrix_scores {
    uint32_t layer;
    pare_role role;
    int64_t rows, columns;
    const float *scores; /* [rows, columns] by the recipe's salience, inputs and outputs being the dense model's */
    float *room;         /* [rows, columns] to work in */
} pare_matrix_scores;

typedef struct pare_scores_visitor {
    pare_status (*visit)(void *context, int pass, const pare_matrix_scores *matrix);
    pare_status (*finish)(void *context, int pass); /* after the last matrix of a pass */
    int passes;
    void *context;
} pare_scores_visitor;

/* The scores of all pruned matrices, layer by layer, as often as there are passes; the dense model is run once. For
 * recipes without Gram matrices and regional gradients, in a job that says scores_only. */
pare_status pare_weights_scores(const pare_weights_job *job, const pare_scores_visitor *visitor);

#endif
