/* What the parts of a walk that prunes single weights share. Beside the walk itself (layerwise.h):
 *
 *   matrix*.c           the way of one matrix: scores, mask, refinement, repair
 *   weights_share.c     which rank prunes which matrix
 *   weights_experts.c   the matrices of a layer's experts; weights_latents.c: those of its latents
 *   regional.c          gradients of a block by itself, and its optimisation
 *   dense_statistics.c  what the dense model's layers show, all of them, before any is pruned
 *   allocate*.c         shares by that; mask_threshold.c: masks
 *   weights_memory.c    what all of it holds */
#ifndef PARE_LAYERWISE_WEIGHTS_INTERNAL_H
#define PARE_LAYERWISE_WEIGHTS_INTERNAL_H

#include "calibrate/regional.h"
#include "layerwise/experts.h"
#include "layerwise/weights.h"
#include "model/config_latent.h"
#include "repair/obs_update.h"

#include <string.h>

typedef struct pare_weight_walk {
    pare_layerwise l;
    const pare_weights_job *job;
    const pare_element_recipe *recipe;
    pare_matrix_result *results;
    double *sparsity;                    /* [tensor_count] */
    pare_element_mask *given;            /* [tensor_count] masks that were found before; NULL, or without words: none */
    float *regional[PARE_MATRIX_ROLES];  /* [rows, columns] regional gradients, or NULL */
    pare_regional_room region;           /* where those are made */
    float *optimised[PARE_MATRIX_ROLES]; /* [rows, columns] weights after regional optimisation, or NULL */
    double region_first, region_last;    /* mean error of the block's output in its first and last round */
    float *dense, *weights, *scores;     /* [rows, columns] of the matrix in hand */
} pare_weight_walk;

/* True if calibration text goes through the blocks. */
static inline bool pare_weights_walks(const pare_weights_job *job) {
    return !job->norms && pare_element_walks(job->recipe);
}

/* What the walk is asked for; and how much of it fits. */
pare_layerwise_request pare_weights_request(const pare_weights_job *job);
pare_status pare_weights_set_up(const pare_weights_job *job, pare_repaired *repaired, pare_weight_walk *out);
void pare_weights_clear(pare_weight_walk *w);
/* The most elements of a pruned matrix: of one role, or of any (PARE_MATRIX_ROLES). */
uint64_t pare_weights_most_elements(const pare_weights_job *job, int role);

/* What is kept of a layer that was gone through (weights_file.c). */
pare_status pare_weights_describe(void *walk, uint32_t layer, pare_state_file *file);

/* Before the layer in hand is observed, its inputs being in the stream: regional gradients of the matrices that are
 * pruned, and, where the recipe has rounds, regional optimisation first, which leaves the optimised weights in the
 * block. Nothing without such a signal. */
pare_status pare_weights_regional(pare_weight_walk *w, uint32_t layer);
/* weights [count] <- the optimised ones, where there are any. */
void pare_weights_take_optimised(const pare_weight_walk *w, pare_role role, int64_t count, float *weights);
/* Everything that this takes, temporaries included; and progress reports of one layer. */
uint64_t pare_weights_regional_bytes(const pare_weights_job *job);
/* What adds up over the sequences of that. */
uint64_t pare_weights_regional_sums_bytes(const pare_weights_job *job);
uint64_t pare_weights_regional_steps(const pare_weights_job *job);
pare_work pare_weights_regional_work(const pare_weights_job *job);
pare_status pare_weights_regional_new(pare_weight_walk *w);
void pare_weights_regional_free(pare_weight_walk *w);

/* What is asked of a matrix. */
static inline pare_element_target pare_matrix_target(const pare_weight_walk *w, size_t id) {
    return (pare_element_target){.sparsity = w->sparsity[id],
                                 .keep = w->job->keep,
                                 .of = w->job->of,
                                 .compare = w->recipe->compare,
                                 .slab = w->recipe->slab,
                                 .inclusive = w->recipe->inclusive};
}

/* Which matrix: a role's, or a part of an expert; and what it has been shown. */
typedef struct pare_matrix_place {
    uint32_t layer;
    pare_role role; /* of a part of an expert: the one that it has where an FFN is one for all tokens */
    size_t id;
    int64_t expert; /* -1: none's */
    pare_input_statistics *inputs;
    const double *outputs; /* [rows] sums of squares; NULL where they are not observed */
    bool borrowed;         /* an expert's inputs are the layer's (experts.h) */
    bool latent;           /* it reads a latent (latents.h) */
    bool other;            /* it is no role's */
} pare_matrix_place;

pare_matrix_place pare_matrix_place_of(pare_weight_walk *w, uint32_t layer, pare_role role);
pare_matrix_place pare_matrix_place_of_query_down(pare_weight_walk *w, uint32_t layer);
/* statistics: NULL where nothing is observed. */
pare_matrix_place pare_matrix_place_of_expert(pare_weight_walk *w, uint32_t layer, uint32_t expert,
                                              pare_expert_part part, pare_expert_statistics *statistics);
/* "the inputs of layer 3's down projection" */
const char *pare_matrix_inputs(const pare_matrix_place *place, char *name, size_t size);
/* The factor of the inverse Gram matrix of its inputs. */
pare_status pare_matrix_factor(pare_weight_walk *w, const pare_matrix_place *place, const pare_inverse_factor **out);

/* Scores of a matrix by the recipe's salience (or another). */
pare_status pare_matrix_score(pare_weight_walk *w, const pare_matrix_place *place, const pare_salience *salience,
                              const float *weights, float *scores);

/* The matrix from dense to pruned: repaired, block, results. */
pare_status pare_matrix_prune(pare_weight_walk *w, const pare_matrix_place *place);

/* True if the matrix reads one of these kinds of input, and is pruned. */
static inline bool pare_weights_prunes(const pare_weight_walk *w, uint32_t layer, pare_role role, unsigned kinds) {
    if (pare_reads_latent(&w->l.model->config, role)) return false;
    return kinds >> pare_input_of(role) & 1 && w->job->pruned[pare_tensor_id(layer, role)];
}
/* Who prunes the matrices of a layer that read these kinds of input, of all that are pruned; and what one of them has
 * made of such a matrix, to all ranks. */
pare_status pare_weights_owners(const pare_weight_walk *w, uint32_t layer, unsigned kinds,
                                int owner[PARE_MATRIX_ROLES]);
pare_status pare_weights_share(pare_weight_walk *w, uint32_t layer, pare_role role, int owner);

/* All experts of the layer in hand that are pruned, whose own inputs are in the stream and in l->statistics. *apart
 * becomes true if one loses weights. */
pare_status pare_weights_experts(pare_weight_walk *w, uint32_t layer, bool *apart);
/* Progress reports of these in a layer. */
uint64_t pare_weights_experts_steps(const pare_weight_walk *w);

/* The same of what reads latents, and makes that of the queries. What latents show must be there, unless the recipe
 * looks at it behind what was pruned. */
pare_status pare_weights_latents(pare_weight_walk *w, uint32_t layer, bool *apart);
uint64_t pare_weights_latents_steps(const pare_weight_walk *w);

/* Sparsities and masks that need all layers to be seen first, in a walk over the dense model. */
pare_status pare_weights_allocate(pare_weight_walk *w);
bool pare_weights_allocates(const pare_weight_walk *w); /* if there are any */
/* What it has to do. */
pare_work pare_weights_allocate_work(const pare_weights_job *job);
/* Of the factors of all inverse Gram matrices. */
pare_work pare_weights_factor_work(const pare_layerwise_request *request);

/* w->dense is what it is to come close to, w->weights what it becomes. */
typedef struct pare_matrix_job {
    pare_weight_walk *w;
    pare_matrix_place place;
    int64_t rows, columns;
    pare_element_target target;
    pare_element_mask mask;
    bool scored;                       /* w->scores are what the mask came from */
    const pare_inverse_factor *factor; /* of SparseGPT's update, which left w->weights with this loss; NULL: none did */
    double loss;
    pare_matrix_result *result;
} pare_matrix_job;

/* w->weights <- w->dense */
static inline void pare_matrix_restore(const pare_matrix_job *m) {
    memcpy(m->w->weights, m->w->dense, (size_t)(m->rows * m->columns) * sizeof *m->w->weights);
}

/* True if the mask was found before the walk. */
static inline bool pare_matrix_is_given(const pare_matrix_job *m) {
    return m->w->given && m->w->given[m->place.id].word;
}

/* The mask by other weights: dynamic ones or exact swaps, as the recipe says, which must have a refinement. */
pare_status pare_matrix_refine(pare_matrix_job *m);
/* What that takes for a matrix [rows, columns], and what the recipe's repair takes for matrix `id`. */
uint64_t pare_refiner_bytes(const pare_element_recipe *recipe, int64_t columns);
pare_work pare_refiner_work(const pare_element_recipe *recipe, int64_t rows, int64_t columns);
uint64_t pare_solver_bytes(const pare_weights_job *job, size_t id);
/* What that has to do. */
pare_work pare_solver_work(const pare_weights_job *job, size_t id);

/* The factors of w->dense - w->weights in the job's adapter, if it has one (matrix_residual.c). */
pare_status pare_matrix_keep_residual(pare_matrix_job *m);

/* True if the recipe's repair finds the mask by itself. */
bool pare_matrix_solver_chooses(const pare_matrix_job *m);
/* w->weights <- what is left under the mask, repaired as the recipe says; choose: with a mask of its own. */
pare_status pare_matrix_solve(pare_matrix_job *m, bool choose);
/* The mask that SparseGPT chooses on its way; w->weights are lost. */
bool pare_matrix_sweep_chooses(const pare_matrix_job *m);
pare_status pare_matrix_choose_in_sweep(pare_matrix_job *m);

#endif
