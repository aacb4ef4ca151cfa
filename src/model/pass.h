/* A pass over the whole model. Weights stream in, gradients stream out:
 *
 *   each block, forward:    weights <- source(block); run
 *   loss, in chunks of tokens and vocabulary
 *   each block, backward:   weights <- source(block); run again from the saved input; dW to the sink, some rows at a
 * time
 *
 * Kept in memory: one block's weights where they differ from the file, one block's activations for one micro-batch
 * (those of more, where the shape asks for it), block inputs, and the rows of dW in flight. While a block computes, the
 * kernel is asked to read the next one. */
#ifndef PARE_MODEL_PASS_H
#define PARE_MODEL_PASS_H

#include "model/adapter.h"
#include "model/block.h"
#include "model/kept_rule.h"
#include "model/layout.h"
#include "model/objective.h"
#include "support/shards.h"

/* Tile of the logits: never more than this many of them exist at a time. */
enum { PARE_HEAD_TOKENS = 1024, PARE_HEAD_VOCABULARY = 4096 };

typedef struct pare_pass pare_pass;

typedef struct pare_pass_shape {
    int64_t sequences, length;
    bool gradients; /* keep what a backward needs */
    bool samples;   /* sinks may want gradients of samples: a second set of buffers for rows of dW in flight */
    bool observed;  /* room for pare_pass_on_block where block inputs are not kept */
    bool inputs;    /* keep all block inputs, as with `gradients`: for pare_pass_forward_from */
    bool composed;  /* the source will displace, perturb or mask: room for one composed block */
    int64_t rank;   /* of the adapters that the pass may be given; 0: none */
    bool dropout;   /* these drop parts of their inputs */
    bool shards;    /* sums over the sequences are made shard by shard (support/shards.h), and shared by ranks; without
                       `gradients`, and where these are `frozen`, by who observes (pare_pass_shard) */
    bool frozen;    /* gradients are those of adapters only: no room for those of weights, and no sink with rows */
    const pare_objective *objective; /* whose mean over the predictions pare_pass_gradient takes; NULL: the loss */
    bool taught;                     /* room for what a teacher says (teacher.h) */
    pare_kept_rule keep;             /* whether blocks are kept for their backward (kept.h) */
    int64_t micro_batch;             /* sequences through a block at a time; 0: chosen from `limit` */
    uint64_t limit;                  /* bytes of anonymous memory for this pass; 0: none set */
} pare_pass_shape;

static inline bool pare_pass_keeps_inputs(const pare_pass_shape *shape) {
    return shape->gradients || shape->inputs;
}

typedef struct pare_pass_memory {
    uint64_t weights, activations, gradients;
    int64_t micro_batch;
    int64_t gradient_elements; /* of dW in flight */
    int64_t blocks, kept;      /* micro-batches of layers with a backward, and how many of them are kept */
} pare_pass_memory;

/* What a pass of this shape would hold. Fails with PARE_OUT_OF_MEMORY, naming what to change, if not even one sequence
 * at a time fits the limit. */
pare_status pare_pass_measure(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                              pare_pass_memory *out);
/* Its part of a memory plan. */
void pare_pass_memory_plan(const pare_pass_memory *memory, pare_plan *plan);
pare_status pare_pass_new(const pare_model *model, const pare_backend *backend, const pare_pass_shape *shape,
                          pare_pass **out);
void pare_pass_free(pare_pass *pass);
/* The shape it was made with; micro_batch is the one in use. */
const pare_pass_shape *pare_pass_shape_of(const pare_pass *pass);

/* Called between blocks, with the number done of the pass's total; may stop the pass with a status. */
typedef pare_status (*pare_pass_step_fn)(void *context, uint64_t done, uint64_t total);
void pare_pass_on_step(pare_pass *pass, pare_pass_step_fn step, void *context);

/* How the batches of all forwards and gradients from now on hang together (copied; its arrays must live as long). A
 * layout of shorter sequences may have more of them, as long as there are no more tokens than the shape has. NULL: the
 * usual. */
void pare_pass_arrange(pare_pass *pass, const pare_layout *layout);

/* Adapters beside the weights in all forwards and gradients from now on (the struct and its arrays must live as long;
 * what they hold may change between calls). NULL: none. The sink of
 * pare_pass_gradient may then be NULL; the pass goes down to the lowest layer with an adapter that wants gradients, or
 * with what the sink wants. The shape's rank and dropout must leave room for them. */
void pare_pass_adapt(pare_pass *pass, const pare_adapters *adapters);

/* Runs sequences [0, sequences) of ids [sequences, length] up to the final norm. sequences <= the shape's, or what the
 * layout allows. Refuses a layout that is not in range. */
pare_status pare_pass_forward(pare_pass *pass, const pare_source *source, const uint32_t *ids, int64_t sequences);

/* The same from block `layer` on, with that block's input as the last forward left it: for a source that differs from
 * the last one's only in `layer` and above. Inputs up to that one stay as they are. Needs a shape that keeps block
 * inputs. */
pare_status pare_pass_forward_from(pare_pass *pass, const pare_source *source, uint32_t layer);

/* Called in a forward after every block that is not skipped, for each micro-batch: x, out: float [tokens, d], the input
 * and the output of tokens [first_token, first_token + tokens) of the batch. The pass must be shaped to be observed, or
 * to keep block inputs. NULL: nobody. */
typedef pare_status (*pare_pass_block_fn)(void *context, uint32_t layer, int64_t first_token, int64_t tokens,
                                          const float *x, const float *out);
void pare_pass_on_block(pare_pass *pass, pare_pass_block_fn observe, void *context);

/* Shows the inputs of all linear layers in every forward from now on (not where a backward runs a block again). NULL:
 * to nobody. */
void pare_pass_observe(pare_pass *pass, const pare_observer *observer);

/* After a forward: what the head reads, operands [tokens, the head's width] of all tokens of the batch, until the pass
 * does something else. */
const void *pare_pass_final(const pare_pass *pass, int64_t *tokens);

/* After a forward: negative log-likelihood of each next token, nll: double [sequences, length - 1], may be NULL; and
 * the sum over all of them. Of pictures: of each one's label, nll: double [labelled sequences], the first token's. With
 * a layout that has targets: of these, nll: double [sequences, length], 0 where there is none. The head computes logits
 * of tokens with a target only. With a teacher (teacher.h) the sum is that of its loss. */
pare_status pare_pass_loss(pare_pass *pass, const pare_source *source, double *nll, double *sum);

/* After a forward: logits float [tokens, vocabulary] of tokens [first, first + tokens) of the batch. */
pare_status pare_pass_logits(pare_pass *pass, const pare_source *source, int64_t first, int64_t tokens, float *logits);

/* After a forward, and before anything else: all logits of the predictions, tile by tile, from the first ids to the
 * last. logits: float [count, rows] of ids [row, row + rows) at predictions [first, first + count); logsum: [count] of
 * all ids. */
typedef pare_status (*pare_pass_tile_fn)(void *context, int64_t first, int64_t count, int64_t row, int64_t rows,
                                         const float *logits, const float *logsum);
pare_status pare_pass_sweep(pare_pass *pass, const pare_source *source, pare_pass_tile_fn visit, void *context);
/* Some of the vocabulary, ascending. */
typedef struct pare_listed_ids {
    const uint32_t *id; /* [count] */
    int64_t count;
} pare_listed_ids;

/* The same with each logit made once: visit's logsum is NULL, *logsum is [*predictions] behind the last tile, valid
 * until the pass does something else. only: these ids' logits alone; row counts in the list then, and *logsum is over
 * it; NULL: all. */
pare_status pare_pass_look(pare_pass *pass, const pare_source *source, const pare_listed_ids *only,
                           pare_pass_tile_fn visit, void *context, const float **logsum, int64_t *predictions);

/* The shards of the pass: one, all of it this rank's, where its sums are not cut. And the one of this rank that is
 * being shown to an observer, or to a sink. */
pare_shards pare_pass_shards(const pare_pass *pass);
int pare_pass_shard(const pare_pass *pass);

/* With `shards` in the shape, ids are those of all ranks' sequences, and so is what comes of it: loss, and rows.
 *
 * Forward, loss (mean over all next tokens; with a layout, the sum over its targets by its `predictions`) and backward
 * in one, of the shape's or the layout's sequences; gradients of that loss, or of
 * the shape's objective, go to the sink. The pass goes
 * no further down than the lowest tensor the sink wants in a layer that the source does not skip (or than the sink's
 * lowest_layer, if it looks at the residual stream or at outputs of linear layers); a skipped layer has no gradients.
 */
pare_status pare_pass_gradient(pare_pass *pass, const pare_source *source, const uint32_t *ids,
                               const pare_gradient_sink *sink, double *loss);

#endif
