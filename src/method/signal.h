/* What is measured on calibration data: a row each, with what the rest of a method asks of it. How it is measured:
 * score/signals.c. */
#ifndef PARE_METHOD_SIGNAL_H
#define PARE_METHOD_SIGNAL_H

#include <stdbool.h>

enum {
    PARE_TRAIT_DATA = 1 << 0,      /* calibration text goes through the model */
    PARE_TRAIT_GRADIENT = 1 << 1,  /* something of every weight that stands in the place of dL/dw */
    PARE_TRAIT_PLAIN = 1 << 2,     /* dL/dw itself, where the weights are */
    PARE_TRAIT_SQUARES = 1 << 3,   /* also the mean square of the samples' gradients, where a salience needs it */
    PARE_TRAIT_SHARED = 1 << 4,    /* one pass serves several saliences */
    PARE_TRAIT_STEPS = 1 << 5,     /* an iteration on the Moreau envelope, which can be taken up */
    PARE_TRAIT_NOISE = 1 << 6,     /* a mean over draws of noise on the weights */
    PARE_TRAIT_ABSOLUTES = 1 << 7, /* of each draw's absolute value */
    PARE_TRAIT_SAMPLES = 1 << 8,   /* the samples' gradients are joined by a norm */
    PARE_TRAIT_INPUTS = 1 << 9,    /* norms of what enters each linear layer */
    PARE_TRAIT_LAYERS = 1 << 10,   /* a score of whole layers */
    PARE_TRAIT_ELEMENTS = 1 << 11, /* for single weights alone */
    PARE_TRAIT_REGIONAL = 1 << 12, /* made block by block, while the blocks are pruned */
    PARE_TRAIT_TRAINING = 1 << 13, /* units go while LoRA trains */
    PARE_TRAIT_LOSS = 1 << 14,     /* of the loss, which pictures have by their labels alone */
    PARE_TRAIT_GATES = 1 << 15,    /* a gate of every unit, learnt for the target that is asked for */
    PARE_TRAIT_EXPERTS = 1 << 16   /* a score of whole experts */
};

/* enumerator, name in recipe files, traits */
#define PARE_SIGNALS(ROW)                                                                                              \
    ROW(NONE, "none", 0)                                                                                               \
    /* dL/dw of the calibration batch */                                                                               \
    ROW(GRADIENT, "gradient",                                                                                          \
        PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GRADIENT | PARE_TRAIT_PLAIN | PARE_TRAIT_SQUARES |              \
            PARE_TRAIT_SHARED)                                                                                         \
    /* the Moreau gradient of it */                                                                                    \
    ROW(MOREAU, "moreau",                                                                                              \
        PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GRADIENT | PARE_TRAIT_STEPS | PARE_TRAIT_SHARED)                \
    /* dL/dw under weight noise, each draw scored by itself: SmoothGrad */                                             \
    ROW(SMOOTH, "smooth",                                                                                              \
        PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GRADIENT | PARE_TRAIT_NOISE | PARE_TRAIT_ABSOLUTES)             \
    /* their mean, each row divided by its root mean square */                                                         \
    ROW(SMOOTH_ROWS, "smooth-rows",                                                                                    \
        PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GRADIENT | PARE_TRAIT_NOISE | PARE_TRAIT_SHARED)                \
    /* l1 or l2 norm, over the samples, of the gradient of each (GBLM-Pruner) */                                       \
    ROW(SAMPLES, "samples",                                                                                            \
        PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GRADIENT | PARE_TRAIT_SAMPLES | PARE_TRAIT_ELEMENTS)            \
    /* gradient of a block's own output norm (Wanda++) */                                                              \
    ROW(REGIONAL, "regional", PARE_TRAIT_DATA | PARE_TRAIT_GRADIENT | PARE_TRAIT_REGIONAL | PARE_TRAIT_ELEMENTS)       \
    ROW(INPUTS, "inputs", PARE_TRAIT_DATA | PARE_TRAIT_INPUTS)                                                         \
    /* how early a layer comes */                                                                                      \
    ROW(DEPTH, "depth", PARE_TRAIT_LAYERS)                                                                             \
    /* 1 - cosine of a layer's input and output */                                                                     \
    ROW(INFLUENCE, "influence", PARE_TRAIT_DATA | PARE_TRAIT_LAYERS)                                                   \
    /* loss without a layer */                                                                                         \
    ROW(REMOVAL, "removal", PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_LAYERS)                                     \
    /* gradients of LoRA factors that train while units go (LoRAPrune) */                                              \
    ROW(LORA, "lora", PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_TRAINING)                                         \
    /* the gradient of the output's entropy in place of the loss (HFPrune) */                                          \
    ROW(ENTROPY, "entropy", PARE_TRAIT_DATA | PARE_TRAIT_GRADIENT | PARE_TRAIT_SHARED)                                 \
    /* factors of what units put out, which train until the rest of them is zero (DDP) */                              \
    ROW(GATES, "gates", PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_GATES)                                          \
    /* mean over an expert's tokens of share times norm of what it makes (REAP) */                                     \
    ROW(EXPERT_OUTPUTS, "expert-outputs", PARE_TRAIT_DATA | PARE_TRAIT_EXPERTS)                                        \
    /* how many tokens reach an expert; the sum of their shares */                                                     \
    ROW(EXPERT_TOKENS, "expert-tokens", PARE_TRAIT_DATA | PARE_TRAIT_EXPERTS)                                          \
    ROW(EXPERT_SHARES, "expert-shares", PARE_TRAIT_DATA | PARE_TRAIT_EXPERTS)                                          \
    /* rise of the layer's output error, of experts that go one by one (optimal brain surgery over experts) */         \
    ROW(EXPERT_ERRORS, "expert-errors", PARE_TRAIT_DATA | PARE_TRAIT_EXPERTS)                                          \
    /* the loss's derivative by a factor of all that an expert makes */                                                \
    ROW(EXPERT_GRADIENT, "expert-gradient", PARE_TRAIT_DATA | PARE_TRAIT_LOSS | PARE_TRAIT_EXPERTS)

#define PARE_SIGNAL_ENUMERATOR(name, text, traits) PARE_SIGNAL_##name,
typedef enum pare_signal { PARE_SIGNALS(PARE_SIGNAL_ENUMERATOR) PARE_SIGNAL_COUNT } pare_signal;
#undef PARE_SIGNAL_ENUMERATOR

extern const char *const pare_signal_names[]; /* NULL after the last */

/* True if the signal has one of these traits. */
bool pare_signal_has(pare_signal signal, unsigned traits);
/* The first signal that has all of these; of none: the one that measures nothing. */
pare_signal pare_signal_with(unsigned traits);

#endif
