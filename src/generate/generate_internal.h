/* What the parts of a generator share: its steps (generate.c) and its memory (generate_memory.c). */
#ifndef PARE_GENERATE_GENERATE_INTERNAL_H
#define PARE_GENERATE_GENERATE_INTERNAL_H

#include "generate/generate.h"
#include "model/adapter_room.h"
#include "model/residency.h"

/* Rows of the LM head at a time, and tokens of all sequences together that pass through a block at a time. */
enum { PARE_GENERATOR_VOCABULARY = 8192, PARE_GENERATOR_TOKENS = 512 };

typedef struct pare_generator_layer {
    pare_block_weights weights;     /* matrices only where they are mapped or resident */
    void *owned[PARE_MATRIX_ROLES]; /* resident composed matrices, or NULL */
    void *keys, *values;            /* operand [batch, groups, capacity, head] */
} pare_generator_layer;

struct pare_generator {
    pare_source source;
    int64_t batch, capacity, chunk, tokens;
    int64_t reach;     /* tokens that each sequence has after the running step */
    uint32_t *history; /* [batch, capacity] all tokens, where keys may have to be made again; else NULL */
    bool resident;
    bool borrows;             /* the layers' weights, norms, positions and LM head are another generator's */
    pare_residency residency; /* where no other generator uses the weights */
    pare_generator_layer *layers;
    void *matrices[PARE_MATRIX_ROLES]; /* the layer in hand, where weights are not resident */
    float *vectors;                    /* norms and biases of all layers, then those of the final norm [2, d] */
    pare_norm final_by;                /* the final norm */
    float *head_bias;                  /* [vocabulary] or NULL */
    pare_position_tables positions;
    float *x;              /* [batch * chunk, d] */
    float *last, *inverse; /* [batch, d], [batch] */
    void *final;           /* operand [batch, embedding width] */
    const void *head;      /* the whole LM head where it is mapped or resident, else NULL */
    void *head_rows;       /* the LM head if resident, else room for PARE_GENERATOR_VOCABULARY rows */
    float *logits;         /* [batch, PARE_GENERATOR_VOCABULARY], only where the vocabulary is larger */
    pare_activations activations;
    const pare_adapters *adapters; /* or NULL */
    pare_adapter_room adapter_room;
};

#endif
