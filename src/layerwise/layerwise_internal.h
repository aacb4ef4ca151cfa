/* What the parts of a layer-by-layer run share: the walk (layerwise.c), what is observed, memory, the way of one
 * matrix, and what is settled before the walk. */
#ifndef PARE_LAYERWISE_LAYERWISE_INTERNAL_H
#define PARE_LAYERWISE_LAYERWISE_INTERNAL_H

#include "calibrate/input_moments.h"
#include "calibrate/regional.h"
#include "layerwise/layerwise.h"
#include "model/stream.h"
#include "model/walk.h"
#include "repair/obs_update.h"

/* What the inputs of one kind have shown. */
typedef struct pare_input_statistics {
    pare_input_moments moments; /* width 0: not observed */
    float *gram;                /* [width, width], in the room of the kind; NULL where none is needed */
    bool seen;                  /* gram holds something */
    pare_inverse_factor factor; /* of the Gram matrix, made when first asked for; n = 0: not yet */
} pare_input_statistics;

typedef struct pare_layerwise {
    const pare_layerwise_job *job;
    const pare_model *model;
    const pare_backend *backend;
    const pare_element_recipe *recipe;
    pare_element_needs needs;
    int64_t tokens, hidden, micro_batch;
    pare_repaired *repaired;
    pare_matrix_result *results;
    double *sparsity;         /* [tensor_count] */
    pare_element_mask *given; /* [tensor_count] masks that were settled before; NULL, or without words: none */

    pare_walk walk;
    pare_block block; /* of the layer in hand; its matrices change from dense to pruned */
    pare_stream stream;
    float *states;  /* [micro-batch tokens, d] where the stream is not fp32 */
    bool at_middle; /* the stream stands between attention and FFN */
    /* Where targets lean on the dense model: its own stream, beside the one of the pruned blocks. */
    bool two, apart; /* apart: the two differ by now */
    pare_block dense_block;
    pare_stream dense_stream;
    float *dense_states; /* as states */
    void *reference;     /* operand [tokens, d] what the dense stream says of a micro-batch */
    float *difference;   /* [tokens, d] */
    float *cross;        /* [d, widest input] sum of reference times input */
    float *map;          /* [d, d] from the pruned stream's normed states to the dense one's */
    pare_observer observer;
    unsigned watched; /* kinds of input that the run under way is for, as bits */
    pare_input_statistics statistics[PARE_INPUT_KINDS];
    float *gram_room[PARE_INPUT_KINDS];
    double *outputs[PARE_MATRIX_ROLES];  /* [rows] sums of squares of what leaves each matrix, or NULL */
    float *regional[PARE_MATRIX_ROLES];  /* [rows, columns] regional gradients, or NULL */
    pare_regional_room region;           /* where those are made */
    float *optimised[PARE_MATRIX_ROLES]; /* [rows, columns] weights after regional optimisation, or NULL */
    double region_first, region_last;    /* mean error of the block's output in its first and last round */
    void *operands[PARE_MATRIX_ROLES];   /* pruned matrices, where their own type is not the operands' */
    float *dense, *weights, *scores;     /* [rows, columns] of the matrix in hand */
    uint64_t done, total;                /* for progress */
} pare_layerwise;

enum { PARE_ALL_INPUTS = (1 << PARE_INPUT_KINDS) - 1 };

/* True if some matrix of the layer that reads one of these kinds is pruned. */
bool pare_layerwise_prunes(const pare_layerwise *l, uint32_t layer, unsigned kinds);

pare_status pare_layerwise_set_up(const pare_layerwise_job *job, pare_repaired *repaired, pare_layerwise *out);
void pare_layerwise_clear(pare_layerwise *l);

/* What is seen of the layer in hand: forgotten, gathered by l->observer. */
pare_status pare_layerwise_watch(pare_layerwise *l, uint32_t layer, unsigned kinds);
void pare_layerwise_forget(pare_layerwise *l);
pare_observer pare_layerwise_observer(pare_layerwise *l);

/* One micro-batch after the other through the layer in hand, up to what the watched kinds need; pass: on to its output,
 * which replaces the stream. */
pare_status pare_layerwise_look(pare_layerwise *l, bool pass);
/* All of the block at once, and the stream passes it: for a look at the dense model. */
pare_status pare_layerwise_observe(pare_layerwise *l);
/* The same as look with the dense model beside it: what it computes there is compared with the watched inputs, in
 * l->cross. The dense stream leaves the stage. One kind at a time. */
pare_status pare_layerwise_observe_both(pare_layerwise *l);
/* What follows from the comparison for all matrices of the stage; and for one: weights [rows, columns], in: dense, out:
 * what the pruned matrix is to come close to. */
pare_status pare_layerwise_set_target(pare_layerwise *l, uint32_t layer, unsigned kinds);
pare_status pare_layerwise_target(pare_layerwise *l, uint32_t layer, pare_role role, float *weights);
/* Both streams behind the last block: the final norm's weights. */
pare_status pare_layerwise_fit_norm(pare_layerwise *l);
/* Everything that a recipe's two streams take beside one, temporaries included. */
uint64_t pare_layerwise_target_bytes(const pare_layerwise_job *job, int64_t micro_batch);
pare_status pare_layerwise_target_new(pare_layerwise *l, const char *scratch);
void pare_layerwise_target_free(pare_layerwise *l);
bool pare_layerwise_has_target(const pare_layerwise_job *job);

/* Before the layer in hand is observed, its inputs being in the stream: regional gradients of the matrices that are
 * pruned, and, where the recipe has rounds, regional optimisation first, which leaves the optimised weights in
 * l->block. Nothing without such a signal. */
pare_status pare_layerwise_regional(pare_layerwise *l, uint32_t layer);
/* weights [count] <- the optimised ones, where there are any. */
void pare_layerwise_take_optimised(const pare_layerwise *l, pare_role role, int64_t count, float *weights);
/* Everything that this takes, temporaries included; and progress reports of one layer. */
uint64_t pare_layerwise_regional_bytes(const pare_layerwise_job *job);
uint64_t pare_layerwise_regional_steps(const pare_layerwise_job *job);
pare_status pare_layerwise_regional_new(pare_layerwise *l);
void pare_layerwise_regional_free(pare_layerwise *l);
/* The most elements of a pruned matrix: of one role, or of any (PARE_MATRIX_ROLES). */
uint64_t pare_layerwise_most_elements(const pare_layerwise_job *job, int role);

/* Micro-batches in turn: `tokens` tokens from `first` on; l->block is set to their number. */
typedef pare_status (*pare_batch_fn)(pare_layerwise *l, int64_t first, int64_t tokens, void *context);
pare_status pare_layerwise_batches(pare_layerwise *l, pare_batch_fn visit, void *context);

/* The hidden states before the first block. */
pare_status pare_layerwise_embed(pare_layerwise *l);
pare_status pare_layerwise_step(pare_layerwise *l);

/* What is asked of a matrix. */
pare_element_target pare_matrix_target(const pare_layerwise *l, size_t id);
/* Scores of a matrix by the recipe's salience (or another). */
pare_status pare_matrix_score(pare_layerwise *l, uint32_t layer, pare_role role, const pare_salience *salience,
                              const float *weights, float *scores);
/* "the inputs of layer 3's down projection" */
const char *pare_input_name(uint32_t layer, pare_input_kind kind, char *name, size_t size);
/* The factor of the inverse Gram matrix of the kind's inputs. */
pare_status pare_layerwise_factor(pare_layerwise *l, uint32_t layer, pare_input_kind kind,
                                  const pare_inverse_factor **out);

/* The matrix from dense to pruned: repaired, block, results. */
pare_status pare_layerwise_prune(pare_layerwise *l, uint32_t layer, pare_role role);

/* Sparsities and masks that need all layers to be seen first, in a walk over the dense model. */
pare_status pare_layerwise_allocate(pare_layerwise *l);
bool pare_layerwise_allocates(const pare_layerwise *l); /* if there are any */

#endif
