/* The walk through the model, layer by layer, that repairs what is left of units (units.h) and prunes single weights
 * (weights.h). Hidden states of all calibration sequences go from block to block in micro-batches: those of the pruned
 * model and, where something has a share of it in its target, those of the dense one beside them. Of a layer, inputs of
 * some of its matrices are observed, what reads them is changed, and the pruned stream goes on through the changed
 * layer:
 *
 *   walk.c        the streams, the blocks, and the order of things
 *   walk_file.c   what is kept of it for another process
 *   statistics.c  what inputs have shown: Gram matrices, moments, norms of outputs
 *   sums.c        what of it adds up over the sequences, shard by shard (support/shards.h)
 *   target.c      what a changed matrix is to come close to, where that has a share of the dense model
 *   biases.c      which biases are refitted with their matrices; intercept.c: how
 *   last_norm.c   the final norm and the head, behind the last layer
 *   budget.c      how much of it fits into memory
 *   experts.c     what experts are shown of the tokens that reach them (experts.h)
 *   latents.c     what latents show that attention goes over (latents.h)
 *
 * A stage is a half of a layer, attention or FFN: matrices that read the hidden state, and one that adds to it. */
#ifndef PARE_LAYERWISE_LAYERWISE_H
#define PARE_LAYERWISE_LAYERWISE_H

#include "calibrate/gram.h"
#include "calibrate/input_moments.h"
#include "checkpoint/state_file.h"
#include "method/element.h"
#include "model/residency.h"
#include "model/stream.h"
#include "model/walk.h"
#include "model/work.h"
#include "repair/inverse_factor.h"
#include "repair/least_squares.h"
#include "repair/repaired.h"
#include "repair/stage_fit.h"
#include "support/shards.h"

/* The matrices of a stage that a layer has. */
typedef struct pare_stage_roles {
    pare_input_kind reads, writes; /* inputs of the readers, and of the output */
    pare_role readers[PARE_MATRIX_ROLES], output;
    int reader_count;
} pare_stage_roles;

pare_stage_roles pare_stage_roles_of(const pare_model *model, uint32_t layer, pare_stage stage);
/* What the units of its stage are along: heads, or channels of the FFN, at a matrix's one end that is not the hidden
 * state's. */
pare_span pare_stage_span(pare_role role);
/* The stage of the matrices that read inputs of this kind, and whether these are its readers. */
pare_stage pare_stage_of(pare_input_kind kind);
bool pare_stage_reads(pare_input_kind kind);

/* True if these kinds, as bits, are the inputs of the stage's output alone. */
bool pare_stage_ends(pare_stage stage, unsigned kinds);

enum { PARE_ALL_INPUTS = (1 << PARE_INPUT_KINDS) - 1 };

/* Kinds of input, as bits, that are observed together, in the order of the walk; 0 after the last. */
extern const unsigned pare_layerwise_together[], pare_layerwise_one_by_one[];

/* What a walk is for. */
typedef struct pare_layerwise_request {
    const pare_source *source;   /* the dense model */
    const pare_runtime *runtime; /* for progress; may be NULL */
    const uint32_t *ids;         /* [sequences, length] */
    int64_t sequences, length;
    int64_t micro_batch;        /* 0: chosen */
    uint64_t limit;             /* bytes of anonymous memory; 0: none set */
    const char *scratch;        /* folder for what does not fit; NULL: none */
    const char *stage;          /* of the progress: "pruning" */
    const char *doing, *advice; /* "repairing", "lower --samples": where it does not fit */
    bool idle;                  /* nothing is observed: there are no hidden states */
    bool one_by_one;            /* one kind of input at a time */
    bool two;                   /* the dense model goes beside */
    pare_dtype states;          /* PARE_DTYPE_F32 or PARE_DTYPE_BF16: of the hidden states between layers */
    pare_element_needs needs;   /* what is observed */
    const bool *pruned;         /* [tensor_count] matrices whose inputs are; NULL: all but those of experts, */
    unsigned expert_inputs;   /* of which these are (experts.h), as bits; with `pruned`, where some of them are there */
    pare_index_list channels; /* hidden channels that the pruned model has; index NULL: all */
    /* Shares of the dense model in targets, and the damping of what follows from it, relative to a Gram matrix's mean
     * diagonal. */
    double reader_share, output_share, damping;
    uint64_t own_sums; /* bytes that add up over the sequences in a run of the owner's own, at most */
    bool intercepts;   /* biases are refitted with what is changed, where every matrix of an input has one */
    bool held_out; /* the readers' damping starts there, and is chosen by halves of the sequences (repair/held_out.h) */
    const char *state; /* what the names of files begin with that keep every finished layer; NULL: nothing is kept */
    const char *key;   /* what these belong to, 64 hexadecimal digits */
} pare_layerwise_request;

/* Bytes; scratch: the part of hidden and repaired that goes to a file. */
typedef struct pare_layerwise_memory {
    uint64_t hidden, statistics, weights, activations, repaired;
    uint64_t scratch;
    int64_t micro_batch;
    uint32_t experts; /* whose statistics are held at once (experts.h) */
} pare_layerwise_memory;

/* All of it. */
uint64_t pare_layerwise_bytes(const pare_layerwise_memory *memory);

/* What the inputs of one kind have shown. */
typedef struct pare_input_statistics {
    pare_input_moments moments; /* width 0: not observed */
    float *gram;                /* [width, width]; NULL where none is needed */
    bool seen;                  /* gram holds something */
    pare_inverse_factor factor; /* of the Gram matrix, made when first asked for; n = 0: not yet */
} pare_input_statistics;

/* Hidden states of one of the two models. */
typedef struct pare_layer_states {
    pare_stream now;
    pare_stream input;        /* of the layer in hand, where its FFN reads that */
    float *room, *input_room; /* [micro-batch tokens, d] where the streams are not fp32 */
} pare_layer_states;

/* Biases in the making. */
typedef struct pare_intercept {
    float *bias[PARE_MATRIX_ROLES];       /* those of the layer in hand that were refitted: its block's */
    float *stored;                        /* one of them, in its own type */
    double *expected;                     /* [rows] mean of what a matrix is to make, without its bias */
    double *mean;                         /* [widest] of the inputs in hand */
    pare_input_moments reference;         /* of what the dense model says of the inputs in hand */
    double *half_inputs, *half_reference; /* [d] sums of the first half; with asked.held_out */
    int64_t half_tokens;
    bool centered; /* Gram matrix and cross are around their means */
} pare_intercept;

typedef struct pare_layerwise {
    pare_layerwise_request asked; /* ids and sequences: this rank's */
    const pare_model *model;
    const pare_backend *backend;
    pare_shards shards;                  /* of all sequences */
    pare_shard_sums sums;                /* what the next run over the micro-batches adds up */
    int64_t tokens, hidden, micro_batch; /* tokens: this rank's */
    pare_repaired *repaired;

    pare_walk walk;
    pare_residency residency;
    pare_block block, dense_block; /* of the layer in hand; the matrices of `block` change from dense to pruned */
    float *channels; /* [3, d] in `block`, where hidden channels are gone: those that are kept, and biases that add to
                        them */
    void *operands[PARE_MATRIX_ROLES]; /* changed matrices, where their own type is not the operands'; the caller's */
    pare_layer_states pruned, dense;   /* dense: with asked.two */
    bool apart;                        /* the two differ by now */
    bool at_middle;                    /* the pruned stream stands between attention and FFN */
    bool resident;                     /* the inputs of the stage's output are still there, of all sequences */

    pare_observer observer;
    unsigned watched; /* kinds of input that are observed, as bits */
    pare_input_statistics statistics[PARE_INPUT_KINDS];
    float *gram_room[PARE_INPUT_KINDS]; /* the same for all kinds where they come one by one */
    double *outputs[PARE_MATRIX_ROLES]; /* [rows] sums of squares of what leaves each matrix, or NULL */

    void *reference;               /* operand [micro-batch tokens, d] what the dense model says of a micro-batch */
    float *difference;             /* the same in fp32 */
    float *cross;                  /* [d, widest input] sum of reference times input */
    bool crossed;                  /* it holds something */
    float *map;                    /* [d, d] from the pruned model's normed states to the dense one's */
    float *half_gram, *half_cross; /* [d, d] what readers' inputs have shown of the first half; with asked.held_out */
    bool halved;                   /* they hold something */
    pare_intercept intercept;
    struct pare_layer_experts *experts; /* where some of their weights go (experts.h); or NULL */
    struct pare_layer_latents *latents; /* likewise (latents.h) */
    pare_source others;                 /* the walk's source, with what has become of tensors that are no roles */
    pare_replacement *replacement;      /* [tensor_count] of it; NULL: these stay */
    uint64_t done, total, layer_steps;  /* for progress; layer_steps: of a layer at most */
} pare_layerwise;

/* ---- walk.c ---- */

/* plan: of pare_layerwise_plan. On failure nothing is held. The request must be kept by what it points at. */
pare_status pare_layerwise_new(const pare_layerwise_request *request, const pare_layerwise_memory *plan,
                               pare_repaired *repaired, pare_layerwise *out);
void pare_layerwise_free(pare_layerwise *l);

typedef enum pare_layer_fate {
    PARE_LAYER_STAYS,
    PARE_LAYER_GOES,  /* the dense stream alone goes through it */
    PARE_LAYER_ABSENT /* neither model has it */
} pare_layer_fate;

/* What the owner of a walk keeps of a layer beside its repaired tensors. */
typedef struct pare_layer_keeper {
    const char *part; /* of the names of the files, behind what the request has: "" or "dense." */
    pare_status (*describe)(void *context, uint32_t layer, pare_state_file *file); /* NULL: nothing */
    void *context;
    uint32_t end; /* hidden states are kept in front of the layers below it */
} pare_layer_keeper;

typedef struct pare_layer_visitor {
    const unsigned *stages; /* as above */
    /* NULL: all stay. */
    pare_layer_fate (*fate)(void *context, uint32_t layer);
    /* Looks at the inputs of these kinds, and changes what reads them. last: of the walk. */
    pare_status (*visit)(void *context, uint32_t layer, unsigned kinds, bool last);
    bool through;  /* visits take the stream to the layer's output */
    uint32_t last; /* layer */
    bool beyond;   /* the stream leaves that one, too */
    void *context;
    pare_layer_keeper keeper;
} pare_layer_visitor;

/* From the embedding on, or from where an earlier process has come to. */
pare_status pare_layerwise_walk(pare_layerwise *l, const pare_layer_visitor *visitor);

/* For a walk of one's own: the hidden states before the first block, and the blocks of a layer. */
pare_status pare_layerwise_embed(pare_layerwise *l);
void pare_layerwise_enter(pare_layerwise *l, uint32_t layer);

/* Micro-batches in turn: `tokens` tokens from `first` on, of this rank's; the blocks are set to their number. What was
 * put into l->sums is added up over all sequences, shard by shard, and l->sums is empty again. */
typedef pare_status (*pare_batch_fn)(pare_layerwise *l, int64_t first, int64_t tokens, void *context);
pare_status pare_layerwise_batches(pare_layerwise *l, pare_batch_fn visit, void *context);
/* Micro-batches of this rank's sequences. */
uint64_t pare_layerwise_batch_count(const pare_layerwise *l);
/* One more step of progress. */
pare_status pare_layerwise_step(pare_layerwise *l);

/* The pruned stream, as far as the watched inputs need; through: on to the layer's output. They go to l->statistics. */
pare_status pare_layerwise_observe(pare_layerwise *l, bool through);
/* Out of a stage: the pruned stream from where it stands, the dense one from in front of the stage. */
pare_status pare_layerwise_pass(pare_layerwise *l, pare_stage stage);
pare_status pare_layerwise_pass_dense(pare_layerwise *l, pare_stage stage);

/* A micro-batch of a stream as fp32; the inputs of a stage's readers, those of its output, and out of it. `states` are
 * those that were loaded. */
float *pare_layer_load(pare_layer_states *states, int64_t first, int64_t tokens);
pare_status pare_layer_readers(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                               pare_stage stage, int64_t first, const float *states);
pare_status pare_layer_inner(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                             pare_stage stage, int64_t first, const float *states);
pare_status pare_layer_leave(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                             pare_stage stage, int64_t first, float *states);

/* A micro-batch of the pruned stream, from where it stands to the inputs of a stage's readers. */
pare_status pare_layerwise_reach(pare_layerwise *l, pare_stage stage, int64_t first, int64_t tokens);

/* values, as the block's matrix: rounded to the tensor's own type into `stored`, and back; and as a tensor that is no
 * role's, where `stored` must stay. */
void pare_layerwise_install(pare_layerwise *l, uint32_t layer, pare_role role, float *values, void *stored);
void pare_layerwise_install_other(pare_layerwise *l, size_t id, float *values, void *stored);

/* ---- walk_file.c ---- */

/* Where layers are kept: goes to the first that is not, with all that those before it have left; else, and where there
 * are none, *next is 0 and the hidden states are those of the embedding. steps: of a layer, for progress. */
pare_status pare_layerwise_begin(pare_layerwise *l, const pare_layer_keeper *keeper, uint64_t steps, uint32_t *next);
/* Keeps a layer that the streams have left. Nothing happens unless layers are kept. */
pare_status pare_layerwise_keep(pare_layerwise *l, const pare_layer_keeper *keeper, uint32_t layer);

/* ---- statistics.c ---- */

/* True if some matrix of the layer that reads one of these kinds is one of those asked for. */
bool pare_layerwise_concerns(const pare_layerwise *l, uint32_t layer, unsigned kinds);
/* What is seen of the layer in hand: gathered by l->observer as far as it is needed; forgotten. */
pare_status pare_layerwise_watch(pare_layerwise *l, uint32_t layer, unsigned kinds, const pare_element_needs *needs);
void pare_layerwise_forget(pare_layerwise *l);
pare_observer pare_layerwise_observer(pare_layerwise *l);
/* "the inputs of layer 3's down projection" */
const char *pare_input_name(uint32_t layer, pare_input_kind kind, char *name, size_t size);
/* The factor of the inverse Gram matrix of the kind's inputs. */
pare_status pare_layerwise_factor(pare_layerwise *l, uint32_t layer, pare_input_kind kind, double damping,
                                  const pare_inverse_factor **out);

/* ---- sums.c ---- */

/* Into l->sums: what is watched of inputs; and what a comparison of a kind's inputs with the dense model adds up, with
 * the halves of both where readers need them. targeted: what reads them has a share of that model in its target. */
pare_status pare_layerwise_sum_inputs(pare_layerwise *l);
pare_status pare_layerwise_sum_comparison(pare_layerwise *l, pare_input_kind kind, bool targeted, double *energy);
/* Of an owner's own: [count], seen as whoever adds first sees it. */
pare_status pare_layerwise_sum_matrix(pare_layerwise *l, float *values, int64_t count, bool *seen);
/* Of readers, gram and l->cross, with their halves; seen: of both. */
pare_status pare_layerwise_sum_products(pare_layerwise *l, float *gram, bool *seen);

/* ---- target.c ---- */

/* Observes the inputs of one kind with the dense model beside the pruned one, and where the targets of what reads
 * them have a share of it, adds up l->cross. Of a stage's output, the dense stream leaves the stage. energy: the
 * squares of what the target adds; NULL: not wanted. */
pare_status pare_layerwise_compare(pare_layerwise *l, pare_input_kind kind, double *energy);
/* True if targets have a share of the dense model that is another by now. */
bool pare_layerwise_has_target(const pare_layerwise *l, pare_input_kind kind);
/* With asked.held_out, where all sequences are one shard (else sums.c keeps it), before the micro-batch from token
 * `first` on is added to the sums gram and l->cross of a kind of readers' inputs: keeps what the sequences before it
 * came to where it begins the second half of them. */
void pare_layerwise_halve(pare_layerwise *l, int64_t first, const float *gram);
/* l->map from the comparison of a kind of readers' inputs (PARE_INPUT_KINDS: of the head's); and out [rows, d] <-
 * weights l->map. what: the inputs, for messages. */
pare_status pare_layerwise_fit_map(pare_layerwise *l, pare_input_kind kind, const float *gram, const char *what,
                                   double energy, pare_fit *fit);
void pare_layerwise_apply_map(const pare_layerwise *l, const float *weights, int64_t rows, float *out);
/* ---- output_target.c ---- */

/* weights [d, width] of a stage's output, in: dense, out: what comes closest to the dense model with all inputs. */
pare_status pare_layerwise_correct(pare_layerwise *l, uint32_t layer, pare_input_kind kind, float *weights);
/* Of that, with `width` inputs. */
uint64_t pare_layerwise_correct_bytes(const pare_layerwise_request *request, int64_t width);
pare_work pare_layerwise_correct_work(const pare_layerwise_request *request, int64_t width);

/* ---- biases.c ---- */

/* True if biases are refitted with what reads these inputs: every matrix of them that is changed has one. */
bool pare_layerwise_intercepts(const pare_layerwise_request *request, uint32_t layer, pare_input_kind kind);
/* What is to be observed of these kinds, with their means where biases are refitted. */
pare_element_needs pare_layerwise_needs(const pare_layerwise *l, uint32_t layer, unsigned kinds);

/* What all of it takes, and a bias as a repaired tensor. */
uint64_t pare_layerwise_intercept_bytes(const pare_layerwise_request *request);
uint64_t pare_layerwise_bias_bytes(const pare_layerwise_request *request, uint32_t layer, pare_role role);
pare_status pare_layerwise_intercept_new(pare_layerwise *l);
void pare_layerwise_intercept_free(pare_layerwise *l);

/* ---- intercept.c ---- */

/* All of these do nothing, or give nothing, where no bias of the layer in hand is refitted with the kind's matrices.
 * A micro-batch of l->reference to the means; those of the first half are kept; and once everything was seen, Gram
 * matrix, cross and halves are brought to their means (energy, or NULL: what l->cross adds, likewise). */
pare_status pare_layerwise_add_reference(pare_layerwise *l, pare_input_kind kind, int64_t first, int64_t tokens);
void pare_layerwise_halve_means(pare_layerwise *l, pare_input_kind kind);
void pare_layerwise_center(pare_layerwise *l, pare_input_kind kind, double *energy);
/* What that has taken from the energy. */
double pare_layerwise_mean_energy(const pare_layerwise *l, pare_input_kind kind);
/* Of readers, with both halves: Gram matrix and cross (of differences, by their share) are around the halves' own means
 * with sign -1, and around those of all again with 1. */
pare_status pare_layerwise_add_between(pare_layerwise *l, pare_input_kind kind, double sign);

/* Where they are: first the mean of what the role's matrix of the layer in hand is to make, from its dense weights;
 * then its bias, from the weights as they will be stored, into the block; and of that, what is kept, into the repaired
 * tensors. */
void pare_layerwise_expect(pare_layerwise *l, pare_role role, const float *weights);
pare_status pare_layerwise_refit_bias(pare_layerwise *l, pare_role role, const float *weights);
pare_status pare_layerwise_keep_bias(pare_layerwise *l, pare_role role, const pare_index_list *kept);
/* The part of the squared error that a new bias takes away, with the columns `kept` of these weights. */
double pare_layerwise_gap(pare_layerwise *l, pare_role role, const float *weights, const pare_index_list *kept);

/* ---- last_norm.c ---- */

/* Behind the last layer, with both streams: the final norm's weights, and the head where it has its own. */
pare_status pare_layerwise_finish(pare_layerwise *l, bool norm, bool head);
/* Bytes that this takes. */
uint64_t pare_layerwise_finish_bytes(const pare_model *model, bool head);

/* ---- budget.c ---- */

/* memory: in, what the caller itself holds of statistics, weights and repaired matrices; out, with all that the walk
 * holds, in the largest micro-batches that fit. PARE_OUT_OF_MEMORY, naming what to change, if none do. */
pare_status pare_layerwise_plan(const pare_layerwise_request *request, pare_layerwise_memory *memory);
/* Tokens of a micro-batch at most, for what is planned before its size is known. */
int64_t pare_layerwise_most_tokens(const pare_layerwise_request *request);
/* Sequences of the first half, about, by which the second is judged with held_out, and the other way round. */
int64_t pare_layerwise_half(const pare_layerwise_request *request);
/* True if attention and FFN both read what enters a layer. */
bool pare_layerwise_parallel(const pare_layerwise_request *request);
/* The widest input of a kind among layers where something that reads it is asked for; 0: there is none. */
int64_t pare_layerwise_widest_of(const pare_layerwise_request *request, pare_input_kind kind);
/* The widest input of any matrix of the model, or d. */
int64_t pare_layerwise_widest(const pare_model *model);

/* ---- walk_work.c ---- */

/* What a walk has to do that looks at inputs in this way. */
typedef struct pare_walk_shape {
    const pare_layerwise_request *request;
    bool together; /* all kinds of input of a layer, else one by one */
    bool through;  /* the run that is observed makes the next layer's inputs, too */
    bool readers;  /* inputs of readers are compared with the dense model's, and fitted to them, not just those of
                      outputs */
} pare_walk_shape;

/* Streams through all layers, what inputs show, and the maps of readers. */
pare_work pare_layerwise_work(const pare_walk_shape *walk);
/* Behind the last layer. */
pare_work pare_layerwise_finish_work(const pare_layerwise_request *request, bool head);

#endif
