/* What is trained: numbers in one flat array, and how a pass over the model feels them. Four kinds: LoRA factors
 * beside the frozen weights (lora.c), LoRA factors whose product is added where the weight is not zero (lora_masked.c),
 * the weights themselves (full.c), and a factor for every unit (gates.c). The optimiser, the checkpoints and the
 * training loop do not know which. */
#ifndef PARE_TRAIN_TRAINED_H
#define PARE_TRAIN_TRAINED_H

#include "model/pass.h"

typedef struct pare_trained pare_trained;

struct pare_trained {
    const pare_model *model;
    const pare_backend *backend;
    size_t count;            /* of numbers */
    float *value, *gradient; /* [count] */
    const char *kind;        /* "lora", "lora-masked", "full", "gates" */

    /* What a pass is run with. */
    pare_source source;
    pare_adapters *adapters;        /* or NULL: none; its draw and first_sequence are set by the training loop */
    const pare_gradient_sink *sink; /* or NULL: the adapters receive all gradients */
    const pare_source *learnt;      /* the weights with what was learnt in them; NULL: source has it all */

    /* After value has changed, before the next pass. */
    pare_status (*refresh)(pare_trained *trained);
    /* Rows [first, first + rows) of a tensor with what was learnt, float [rows, columns], outputs that an adapter
     * switches off included; and whether training can have changed the tensor at all. */
    pare_status (*merged)(const pare_trained *trained, size_t id, int64_t first, int64_t rows, float *out);
    bool (*changes)(const pare_trained *trained, size_t id);
    /* After the last step: value as the files of a model of these dtypes hold it. NULL: it is not what they hold. */
    void (*round)(pare_trained *trained);
    void (*free)(pare_trained *trained);
};

/* Calls trained->free; NULL is fine. */
void pare_trained_free(pare_trained *trained);

/* What LoRA is given: published constants in docs/methods.md. */
typedef struct pare_lora_options {
    uint32_t rank;
    double alpha, dropout;
    bool targets[PARE_MATRIX_ROLES]; /* in every layer, and of what goes by their names (model/layer_matrices.h) */
    uint64_t seed;                   /* A: uniform in +-1/sqrt(in), from the counter-based generator; B: 0 */
} pare_lora_options;

/* Where a tensor's factors lie in value and gradient; rank 0: it has none. */
typedef struct pare_lora_factors {
    int64_t rank, rows, columns;
    size_t a, b; /* A: [rank, columns] at value + a, B: [rows, rank] at value + b */
} pare_lora_factors;

/* LoRA as an adapter of the pass. */
pare_status pare_trained_lora(const pare_model *model, const pare_backend *backend, const pare_lora_options *options,
                              pare_trained **out);
/* The factors of a LoRA (of either kind), scale = alpha / rank; rank 0 and scale 0 of anything else. */
pare_lora_factors pare_lora_factors_of(const pare_trained *lora, size_t id);
float pare_lora_scale(const pare_trained *lora);
/* The adapter of a tensor of the first kind, for whoever masks outputs (adapter.keep); NULL of other kinds. */
pare_adapter *pare_lora_adapter(pare_trained *lora, size_t id);

/* LoRA that keeps the zeros of a sparse model: the pass sees W + scale (B A) where W is not zero, and the factors'
 * gradients are those of exactly that. No dropout. */
pare_status pare_trained_lora_masked(const pare_model *model, const pare_backend *backend,
                                     const pare_lora_options *options, pare_trained **out);

/* All weights: value is the weights themselves, tensor after tensor by id. keep_zeros: those that are zero in the file
 * stay zero. fresh: the model's weights do not count; matrices begin as 0.02 z (z normal, O and down divided by sqrt(2
 * layers)), norms as ones. */
typedef struct pare_full_options {
    bool keep_zeros, fresh;
    uint64_t seed;
} pare_full_options;
pare_status pare_trained_full(const pare_model *model, const pare_backend *backend, const pare_full_options *options,
                              pare_trained **out);
/* Numbers of a LoRA; UINT64_MAX for a rank that is out of reach. */
uint64_t pare_trained_lora_count(const pare_model *model, const pare_lora_options *options);
/* Bytes that the kinds hold at most, gradients and operands included, for the memory plan; UINT64_MAX for a rank that
 * is out of reach. */
uint64_t pare_trained_lora_bytes(const pare_model *model, const pare_backend *backend,
                                 const pare_lora_options *options);
uint64_t pare_trained_full_bytes(const pare_model *model);

#endif
