/* One transformer block, forward and backward, over the backend's operations: a LLaMA's
 *
 *   h   = x + Wo attention(rotate(Wq n1), rotate(Wk n1), Wv n1)      n1 = rmsnorm(x)
 *   out = h + Wdown (silu(Wgate n2) * (Wup n2))                      n2 = rmsnorm(h)
 *
 * with the switches of architecture.h. x, h, out: float [tokens, d], tokens = batch * length. */
#ifndef PARE_MODEL_BLOCK_H
#define PARE_MODEL_BLOCK_H

#include "model/adapter_room.h"
#include "model/expert_room.h"
#include "model/latent_room.h"
#include "model/observer.h"
#include "model/position_tables.h"
#include "model/source.h"

/* What a sink sees of the samples: g_j is the gradient of sequence j's own mean loss, N the sequences of the batch.
 *   squares:   (1/N) sum_j g_j^2 (LLM-Pruner's diagonal Fisher, the A of its second-order terms; the square of GBLM's
 *              l2 norm is N times that)
 *   absolutes: (1/N) sum_j |g_j| (GBLM's l1 norm is N times that) */
typedef enum pare_sample_gradients {
    PARE_SAMPLES_NONE,
    PARE_SAMPLES_SQUARES,
    PARE_SAMPLES_ABSOLUTES
} pare_sample_gradients;

/* The gradient at the output of one linear layer, as the backward has it: operands of one micro-batch. The outputs of
 * gate and up lie by feature where there are many tokens (see block_linear.h). */
typedef struct pare_linear_output {
    const void *gradient; /* [tokens, width], or [width, tokens] if by_feature; width: the rows of the weight */
    int64_t first_token;  /* of the batch */
    int64_t tokens, width;
    bool by_feature;
} pare_linear_output;

/* Receives gradients as they appear; what it is shown is gone after the call.
 *
 * rows: weight gradients, some rows at a time, each tensor's rows in order and complete before the next tensor's.
 * gradient: float [rows, columns] of the loss, the mean over all predictions of the batch. samples: float [rows,
 * columns], what `samples` asks for; NULL where that is nothing, and always for norms, the embedding and the head. Of
 * an expert that no token reaches, zeros.
 *
 * output_gradient, middle_gradient: dL/d(residual stream) where it leaves a block, and between the block's attention
 * and its FFN; float [tokens, d] of tokens [first_token, first_token + tokens) of the batch. Called for every
 * micro-batch of every layer that the backward reaches, from the last layer down: the output's before anything else of
 * that micro-batch and layer, the middle's after the FFN's own gradients.
 *
 * linear_gradient: dL/dy of each linear layer y = W x: q and k before the rotary embedding, O and Down the residual
 * stream as operands; with output factors (adapter.h) of what they multiply. For every micro-batch of every layer that
 * the backward reaches, in the order down, gate, up, O, q, k, v; not where the weight has no rows. */
typedef struct pare_gradient_sink {
    bool (*wants)(void *context, size_t id);
    pare_status (*rows)(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *gradient,
                        const float *samples);
    pare_sample_gradients samples; /* the pass must be shaped for them */
    pare_status (*output_gradient)(void *context, uint32_t layer, int64_t first_token, int64_t tokens,
                                   const float *gradient); /* or NULL */
    pare_status (*middle_gradient)(void *context, uint32_t layer, int64_t first_token, int64_t tokens,
                                   const float *gradient); /* or NULL */
    pare_status (*linear_gradient)(void *context, uint32_t layer, pare_role role,
                                   const pare_linear_output *gradient); /* or NULL */
    /* Of the tokens of one expert that some reach, in the backward: felt[places[i]] is share dL/dshare of its i-th
     * token. Their sum is the derivative of the loss by a factor of all that the expert makes. */
    pare_status (*expert_gradient)(void *context, uint32_t layer, uint32_t expert, int64_t tokens,
                                   const int32_t *places, const float *felt); /* or NULL */
    uint32_t lowest_layer; /* that these want to see, though no tensor so low is wanted */
    void *context;
} pare_gradient_sink;

typedef struct pare_block_weights {
    const void *matrix[PARE_MATRIX_ROLES]; /* operands, [out, in] */
    const float *vector[PARE_ALL_ROLES];   /* norms, as they multiply, and biases; NULL: none */
} pare_block_weights;

/* What a block computes for `tokens` tokens, kept for its backward, and the temporaries of both. Sized for the widest
 * layer; head-major buffers as in backend.h. */
typedef struct pare_activations {
    void *normed1, *normed2;    /* operand [tokens, d] */
    float *inverse1, *inverse2; /* [tokens] */
    void *q, *k, *v;            /* operand, head-major */
    float *attended;            /* head-major, before the output projection */
    float *logsum;              /* [batch, groups, length, shared] */
    void *merged;               /* operand [tokens, H h] */
    float *middle;              /* h: [tokens, d] */
    float *gate, *up;           /* [tokens, F], or [F, tokens]: see block_linear.h */
    void *activated;            /* operand, as gate */
    float *wide;                /* temporary [tokens, max(H h, F)] */
    float *dk, *dv;             /* [tokens, K h]; backward only from here on */
    void *dgate, *dup;          /* operand [tokens, max(F, H h)] */
    void *dout;                 /* operand [tokens, max(d, H h)] */
    float *dnormed;             /* [tokens, d] */
    /* What only some families need; NULL for all others. */
    float *projected[3];      /* queries, keys, values before their norm, clamped: [tokens, H h], [tokens, K h] twice */
    float *head_inverse[2];   /* of the norms of queries and keys */
    float *branch[3];         /* [tokens, d] what the norm behind attention, behind the FFN reads; what it makes */
    float *branch_inverse[2]; /* [tokens] */
    float *dbranch, *dkept;   /* [tokens, d]; backward only */
    pare_expert_room experts;
    pare_latent_room latent;
} pare_activations;

typedef struct pare_block {
    const pare_backend *backend;
    int64_t batch, length, hidden, head;
    double eps;
    const float *hidden_kept; /* as in pare_source */
    int64_t hidden_count;
    const pare_config *config;
    const pare_source *source; /* experts are composed when a token reaches them */
    const float *rotation;     /* row 0: the first token's position; NULL: none */
    const float *slopes;       /* [heads] or NULL */
    const float *query_scale;  /* of positions, as rotation; NULL: ones */
    uint32_t layer;
    pare_widths widths;
    pare_block_weights weights;
    pare_activations *activations;
    /* Keys and values of earlier tokens, for generation; NULL: none. [batch, groups, cache_capacity, head] */
    void *cache_k, *cache_v;
    int64_t cache_capacity, cache_tokens;
    const pare_observer *observer;             /* of the inputs of the linear layers; NULL: none */
    const int32_t *positions, *start, *shared; /* [batch, length], as in layout.h; NULL: the usual; not with a cache */
    int64_t attention_batch;                   /* sequences that attention works on at a time; 0: all */
    const pare_adapters *adapters;             /* beside the weights; NULL: none */
    pare_adapter_room *adapter_room;
    int64_t first_sequence; /* of the micro-batch, in the batch: for the adapters */
} pare_block;

enum { PARE_SAMPLES_PARTS = 3 };

/* What a block of a stack works in: where composed weights go, and what all blocks share. */
typedef struct pare_block_room {
    void *const *matrices; /* [PARE_MATRIX_ROLES] composed weights, where the file's own bytes cannot be used */
    float *vectors;        /* [pare_config_vector_elements] */
    const pare_position_tables *positions;
    pare_activations *activations;
    int64_t batch, length;
    int64_t attention_batch; /* as in pare_block */
    int64_t reach;           /* positions that the forward reaches */
} pare_block_room;

/* The block of `layer` with its weights as the source has them now; composed ones are in `room` until the next call. */
pare_block pare_block_of(const pare_source *source, uint32_t layer, const pare_block_room *room);

/* Reads the vectors of a layer, one behind the other, into `room` [pare_config_vector_elements]. */
void pare_block_vectors(const pare_source *source, uint32_t layer, float *room, const float *vector[PARE_ALL_ROLES]);
/* What of `tables` is a layer's, `first` being the position of the block's first token and `reach` the positions that
 * the forward reaches. */
void pare_block_place(pare_block *block, const pare_position_tables *tables, int64_t first, int64_t reach);

/* The norm whose weight is `role`'s. */
pare_norm pare_block_norm(const pare_block *block, pare_role role);

/* Rows of dW in flight take at most this many bytes (unless one row is longer): few enough to stay in a large cache
 * until the sink has read them. */
enum { PARE_GRADIENT_CHUNK_BYTES = 16 << 20 };

/* Gradient buffers of a block. With one micro-batch, dW is made some rows at a time in `chunk`; with more, it must add
 * up in `sums` first. Either way a row exists only until the sink has seen it. What the sink sees of the samples lies
 * beside dW in the same way: then `chunk` is in PARE_SAMPLES_PARTS equal parts, for rows of dW, of that, and of one
 * sequence's dW. */
typedef struct pare_block_gradients {
    const pare_gradient_sink *sink;
    float *chunk; /* [chunk_elements] */
    int64_t chunk_elements;
    float *sums[PARE_MATRIX_ROLES];          /* NULL with one micro-batch */
    float *sample_sums[PARE_MATRIX_ROLES];   /* NULL with one micro-batch or without samples */
    double *vector_sums[PARE_ALL_ROLES];     /* NULL where the family has no such vector */
    double *bias_samples[PARE_MATRIX_ROLES]; /* of the roles' biases; NULL without samples, too */
    float *expert_sums;                      /* of all tensors of a layer's experts, by their ids; NULL as sums */
    float *latent_sums;                      /* of the matrix of the queries' latent; NULL as sums */
    float *expert_sample_sums, *latent_sample_sums; /* likewise; NULL as sample_sums */
    double *final_sums;                             /* [2, d] of the final norm; NULL: nobody wants them */
    int64_t sequences;                              /* of the whole batch */
    int64_t first_token;                            /* of the micro-batch */
    bool first, last;                               /* of the micro-batches */
} pare_block_gradients;

/* Bytes of activations for `tokens` tokens of layers no wider than `widest`. */
uint64_t pare_activations_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward);
/* The most that attention takes while it runs, over all layers. */
uint64_t pare_attention_workspace_bytes(const pare_backend *backend, const pare_config *config, int64_t batch,
                                        int64_t length, bool backward);
/* The same of a forward in which `queries` tokens of each sequence see up to `keys`, kept ones among them. */
uint64_t pare_attention_cached_bytes(const pare_backend *backend, const pare_config *config, int64_t batch,
                                     int64_t queries, int64_t keys);
pare_status pare_activations_new(const pare_backend *backend, const pare_config *config, int64_t tokens, bool backward,
                                 pare_activations *out);
void pare_activations_free(pare_activations *activations);

/* Activations of their own for what a forward leaves to the backward; temporaries are those of `shared`, which must
 * live as long and have been made for a backward of as many tokens. */
uint64_t pare_activations_results_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens);
pare_status pare_activations_results_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                         const pare_activations *shared, pare_activations *out);
void pare_activations_results_free(pare_activations *activations);

/* The forward pass in its parts. Each leaves what it computes in the activations; attend and activate begin with the
 * inputs.
 *   attention_input:   activations.normed1, the input of Q, K and V, from x
 *   ffn_input:         activations.normed2, the input of gate and up, from what the FFN reads
 *   attend:            activations.merged, the input of O, from x
 *   attention_output:  middle = x + O merged; middle may be x
 *   activate:          activations.activated, the input of Down, from what the FFN reads
 *   ffn_output:        out = middle + Down activated; out may be middle
 * In place only where the layer's output has no factors (adapter.h). The FFN reads middle, but x where the block is
 * parallel: then x must still be there. */
static inline const float *pare_block_ffn_reads(const pare_block *block, const float *x, const float *middle) {
    return block->config->architecture.parallel ? x : middle;
}

pare_status pare_block_attention_input(const pare_block *block, const float *x);
pare_status pare_block_ffn_input(const pare_block *block, const float *reads);
pare_status pare_block_attend(const pare_block *block, const float *x);
pare_status pare_block_attention_output(const pare_block *block, const float *x, float *middle);
pare_status pare_block_activate(const pare_block *block, const float *reads);
pare_status pare_block_ffn_output(const pare_block *block, const float *middle, float *out);

/* Both parts of each half: x to middle, middle to out (not of a parallel block). */
pare_status pare_block_attention_forward(const pare_block *block, const float *x, float *middle);
pare_status pare_block_ffn_forward(const pare_block *block, const float *middle, float *out);

/* All of it, with activations.middle between the halves. out may be x, or NULL: everything but out is computed. */
pare_status pare_block_forward(const pare_block *block, const float *x, float *out);
/* After pare_block_forward of the same x (its activations are read). dx: in dL/dout, out dL/dx. need_input: false where
 * nobody will read dL/dx (below the lowest layer whose gradients are wanted). */
pare_status pare_block_backward(const pare_block *block, const pare_block_gradients *gradients, const float *x,
                                float *dx, bool need_input);

/* The halves of it, of blocks that are not parallel, each after its own forward. dx: in the gradient of its output, out
 * of its input, for the FFN always. reads: what the FFN reads. */
pare_status pare_block_ffn_backward(const pare_block *block, const pare_block_gradients *gradients, const float *reads,
                                    float *dx);
pare_status pare_block_attention_backward(const pare_block *block, const pare_block_gradients *gradients,
                                          const float *x, float *dx, bool need_input);

#endif
