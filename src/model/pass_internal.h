/* What the parts of a pass share: the stack of blocks (pass.c), the head and its loss (head.c), the embedding. */
#ifndef PARE_MODEL_PASS_INTERNAL_H
#define PARE_MODEL_PASS_INTERNAL_H

#include "model/kept.h"
#include "model/residency.h"
#include "model/teacher.h"
#include "support/shards.h"

/* Of each prediction, as those of the pass: what comes of a teacher (teaching.h). */
typedef struct pare_teaching {
    const pare_teacher *teacher; /* or NULL */
    float *maximum, *target_logit, *logsum;
    double *sum;
    double *divergence; /* sum of exp(t - maximum) (t - s); then KL */
    int32_t *student_best, *teacher_best;
    pare_taught sums;
} pare_teaching;

struct pare_pass {
    const pare_model *model;
    const pare_backend *backend;
    pare_pass_shape shape;                /* sequences: this rank's */
    pare_shards shards;                   /* of all sequences; one where the shape has none */
    pare_shard_sums sums;                 /* of the loss, then of the block in hand */
    bool summed;                          /* the matrices of these hold something */
    int64_t micro_batch, attention_batch; /* of the running forward; as in pare_block */
    pare_pass_step_fn step;
    void *step_context;
    uint64_t steps_done, steps_total;
    pare_pass_block_fn observe;
    void *observe_context;

    const pare_observer *inputs_observer; /* or NULL */

    const pare_adapters *adapters; /* or NULL */
    pare_adapter_room adapter_room;

    const uint32_t *ids; /* of the running forward */
    int64_t sequences;   /* of the running forward */
    int64_t sequence;    /* with which the micro-batch in hand begins */
    pare_layout next;    /* of the forwards to come */
    pare_layout layout;  /* of the running forward; its length is never 0 */
    int64_t reach;       /* positions that the running forward reaches */

    pare_position_tables positions;
    float *inputs;        /* [layers + 1 or 1][tokens, d]: block inputs, the last being the final norm's */
    float *observed;      /* [micro-batch, d]: input of the block in hand, where the output overwrites it; or NULL */
    void *final;          /* operand [tokens, head width]: what the head reads */
    float *final_inverse; /* [tokens] */
    float *final_norm;    /* [2, d] weights and biases */
    pare_norm final_by;   /* the final norm */
    float *head_bias;     /* [vocabulary] or NULL */
    float *vectors;       /* norms and biases of the block in hand */
    void *matrices[PARE_MATRIX_ROLES]; /* composed weights of the block in hand, or NULL */
    pare_activations activations;
    pare_kept kept;
    pare_block block; /* the last one of the running forward */
    pare_residency residency;
    bool returns; /* a backward follows the running forward */

    /* head */
    int64_t border[PARE_SHARDS + 1]; /* predictions before each of this rank's shards, and all of them */
    int64_t all_predictions;         /* of all ranks */
    int64_t predictions;             /* tokens with a target; these only have what follows, one behind the other */
    int64_t *predicted;              /* [predictions] the tokens, ascending */
    int32_t *targets;                /* [predictions] */
    float *maximum;                  /* [predictions] */
    double *sum;                     /* [predictions] of exponentials; then the objective's values, if there is one */
    float *target_logit;             /* [predictions] */
    float *logsum;                   /* [predictions] */
    void *gathered;                  /* operand [PARE_HEAD_TOKENS, d]: rows of `final` that a tile works on */
    float *logits;                   /* [PARE_HEAD_TOKENS, PARE_HEAD_VOCABULARY] */
    pare_pass_tile_fn look;          /* sees the tiles of the sums, too; or NULL */
    void *look_context;
    const pare_listed_ids *listed; /* that alone have logits now, or NULL */
    float *listed_bias;            /* [listed->count] their biases, where the head has some */
    void *head_rows;               /* operand [PARE_HEAD_VOCABULARY, d] */

    pare_teaching teaching; /* where the shape is taught */

    /* backward */
    float *dx;                 /* [tokens, d] */
    float *dfinal;             /* [tokens, d] */
    void *dlogits;             /* operand, as logits */
    float *head_gradient;      /* [PARE_HEAD_VOCABULARY, d] */
    float *head_bias_gradient; /* [vocabulary], where it is wanted; else NULL */
    float *dembedded; /* [tokens, embedding width]: gradient of the rows of the embedding; dx in most families */
    int64_t *order;   /* [tokens] token positions sorted by id, for the embedding */
    pare_block_gradients gradients;
};

static inline float *pare_pass_input(const pare_pass *pass, int64_t layer) {
    int64_t slot = pare_pass_keeps_inputs(&pass->shape) ? layer : 0;
    return pass->inputs + slot * pass->shape.sequences * pass->shape.length * (int64_t)pass->model->config.hidden;
}

static inline int64_t pare_pass_tokens(const pare_pass *pass) {
    return pass->sequences * pass->layout.length;
}

/* The layout that the pass was last given becomes that of a forward of so many sequences, divided into micro-batches.
 * Fails if it does not fit the pass or is not in range. */
pare_status pare_pass_enter(pare_pass *pass, int64_t sequences);

/* ---- pass_shards.c ---- */

/* The shards of a pass of this shape. */
pare_shards pare_pass_shards_of(const pare_pass_shape *shape);
/* Sequences of this rank's from one on that are of one shard: what makes a product over all tokens, in front of or
 * behind the blocks, makes one for each of these. */
int64_t pare_pass_stretch_at(const pare_pass *pass, int64_t sequence);
/* Micro-batches of this rank's sequences; how many are in the one that begins with a sequence, and its number. */
int64_t pare_pass_batch_count(const pare_pass *pass);
int64_t pare_pass_batch_at(const pare_pass *pass, int64_t sequence);
int64_t pare_pass_batch_number(const pare_pass *pass, int64_t sequence);
/* True if something is to do in front of and behind the blocks: of a rank without sequences, where others share what
 * the sink wants there. */
bool pare_pass_runs_ends(const pare_pass *pass, const pare_gradient_sink *sink);
/* Refuses what several ranks cannot share. */
pare_status pare_pass_shards_check(const pare_pass *pass, const pare_gradient_sink *sink);
/* Around a block's backward; around that of the micro-batch that begins with a sequence; and after all of them: rows of
 * all shards to the sink, unless there is one, whose rows went there as they appeared. */
pare_status pare_pass_shards_begin(pare_pass *pass, const pare_block *block);
pare_status pare_pass_batch_enter(pare_pass *pass, int64_t sequence);
void pare_pass_batch_leave(pare_pass *pass, int64_t sequence);
pare_status pare_pass_shards_end(pare_pass *pass, const pare_block *block);
/* In front of and behind the blocks: puts what adds up there into pass->sums; works on each of this rank's shards in
 * turn, on tokens [first, first + tokens) and predictions [border[k], border[k + 1]); then the sums are those of all
 * shards, on all ranks, and the list is empty again. pass->summed: the singles hold something of the shard. */
typedef pare_status (*pare_pass_shard_fn)(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context);
pare_status pare_pass_sum_singles(pare_pass *pass, float *values, int64_t count);
pare_status pare_pass_sum_doubles(pare_pass *pass, double *values, int64_t count);
pare_status pare_pass_sum_shards(pare_pass *pass, pare_pass_shard_fn visit, void *context);
/* Once targets are known: which predictions are whose. */
void pare_pass_shards_mark(pare_pass *pass);
/* Predictions of the tile of logits that begins with one. */
int64_t pare_pass_tile_at(const pare_pass *pass, int64_t prediction);

/* What a gradient's sum of losses is divided by. */
double pare_head_divisor(const pare_pass *pass);

/* Log of the softmax denominator of every token with a target, and the target's logit. */
pare_status pare_head_logsum(pare_pass *pass, const pare_source *source);
/* After the loss: the objective's values, where the shape has one, into pass->sum. */
pare_status pare_head_observe(pare_pass *pass, const pare_source *source);

/* Gradient of the loss through the head, one stretch of vocabulary at a time: into dfinal (float [tokens, d],
 * overwritten; may be NULL) and, for the head's own weight, to the sink (may be NULL). embedding_too: the weight is
 * tied, and the gradient of its use as the embedding (from pass->dembedded) is added. */
pare_status pare_head_backward(pare_pass *pass, const pare_source *source, float *dfinal,
                               const pare_gradient_sink *sink, bool embedding_too);

/* dW = dy^T x of a matrix in front of or behind the blocks, [out, in], to the sink, if that wants it. dy, x: operands
 * [tokens, out], [tokens, in]. */
pare_status pare_pass_projection_gradient(pare_pass *pass, const pare_gradient_sink *sink, size_t id, const void *dy,
                                          const void *x);

/* dx, float [tokens, in] = dy W, of one such matrix, a stretch of sequences at a time. weight: room for W as operands.
 */
pare_status pare_pass_projection_input(const pare_pass *pass, const pare_source *source, size_t id, const void *dy,
                                       void *weight, float *dx);

/* From the loss to pass->dx, the gradient of the last block's output; those of the head and all behind the blocks go to
 * the sink on the way. */
pare_status pare_output_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink);

/* x: float [tokens, d] = what the first block reads. */
pare_status pare_embedding_forward(const pare_pass *pass, const pare_source *source, float *x);
/* From pass->dx to pass->dembedded, and the gradients of what lies between. */
pare_status pare_embedding_enter_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink);
void pare_embedding_leave_backward(pare_pass *pass);
/* Gradient of an embedding that is not tied, from pass->dembedded. */
pare_status pare_embedding_backward(pare_pass *pass, const pare_gradient_sink *sink);
/* Rows of the embedding, and tokens of the batch. */
typedef struct pare_embedding_rows {
    int64_t first, rows;
    int64_t first_token, tokens;
} pare_embedding_rows;

/* Adds to the rows the gradients of their tokens among those. */
void pare_embedding_scatter(const pare_pass *pass, const pare_embedding_rows *rows, float *gradient);
void pare_embedding_sort(pare_pass *pass);

#endif
