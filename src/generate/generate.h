/* Next-token logits of a batch of sequences that grow in step, with their keys and values cached. */
#ifndef PARE_GENERATE_GENERATE_H
#define PARE_GENERATE_GENERATE_H

#include "model/adapter.h"
#include "model/block.h"

typedef struct pare_generator pare_generator;

typedef struct pare_generator_shape {
    int64_t batch;                 /* sequences */
    int64_t capacity;              /* tokens that each of them may grow to; at most the configuration's max_positions */
    uint64_t limit;                /* bytes of anonymous memory; 0: none set */
    const pare_adapters *adapters; /* beside the weights, without dropout; or NULL */
    int64_t beside; /* more generators like this one that will use its weights: measured with it; 0 or more */
    const pare_generator *weights_of; /* use that generator's weights, which is measured with this one; or NULL */
} pare_generator_shape;

typedef struct pare_generator_memory {
    uint64_t cache, weights, activations;
    int64_t chunk; /* tokens of each sequence that pass through a block at a time */
    bool resident; /* weights that cannot be used as they are mapped are composed once and kept */
} pare_generator_memory;

/* What a generator of this shape would hold, with those beside it. Composed weights are kept if that fits the limit,
 * else composed again at every step. Fails with PARE_OUT_OF_MEMORY if even that does not fit, with PARE_BAD_ARGUMENT if
 * the capacity is beyond the model's positions. */
pare_status pare_generator_measure(const pare_source *source, const pare_generator_shape *shape,
                                   pare_generator_memory *out);

/* Source and adapters must not change while the generator lives; what they point to is not copied. One that uses the
 * weights of another must be freed before that one, which keeps them resident or has them mapped; with a
 * backend of its own it may step while the other does. Free with pare_generator_free. */
pare_status pare_generator_new(const pare_source *source, const pare_generator_shape *shape, pare_generator **out);
void pare_generator_free(pare_generator *generator);

/* Steps from now on with another backend that has the same operands (pare_backend_open_alone). */
void pare_generator_use(pare_generator *generator, const pare_backend *backend);

/* Forgets all tokens, so that new sequences can begin. */
void pare_generator_reset(pare_generator *generator);

/* Tokens that each sequence has so far. */
int64_t pare_generator_tokens(const pare_generator *generator);

/* Appends tokens: [batch, count] ids below the vocabulary size, and computes logits: float [batch, vocabulary] of the
 * token that follows (NULL: not wanted). Where a longrope passes its original positions, what is computed depends on
 * the steps: those before have turned by short factors, and keep that but in families whose rows say otherwise. Fails
 * with PARE_BAD_ARGUMENT beyond the capacity. After another failure or an interrupt the generator can only be reset or
 * freed. */
pare_status pare_generator_step(pare_generator *generator, const uint32_t *tokens, int64_t count, float *logits);

#endif
