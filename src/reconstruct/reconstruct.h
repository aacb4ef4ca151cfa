/* Reconstruction: after weights have gone, one half of a block after the other is trained to put out what the dense
 * model's does there. Two streams of hidden states go through all blocks side by side: the dense model's own, and that
 * of the smaller model through what was trained so far. For a stage (attention or FFN, with its norms; both at once
 * where they read the same input) the training is
 *
 *   min over the stage's weights of  mean e^T F e,  e = x + f(x) - t     x: smaller model's states
 *   t = a (the dense model's states behind the stage) + (1 - a) (x + what the dense stage adds to x)
 *   F: the unit matrix, or what the loss feels of the states behind the stage
 *
 * by Adam with a rate that falls linearly to 0, on batches drawn by the seed: over all weights, or over factors of a
 * low rank beside the matrices (factors.h). Some sequences are held out, and
 * say how much of the change is taken: all of it, a half, a quarter, .., or nothing. Kept in memory: one block's
 * weights, their gradients and moments, activations of one batch, and both streams.
 *
 * Sub-blocks rather than single matrices: arXiv 2510.14444 (what lies between nonlinearities is better learnt
 * together); NVIDIA's bypass distillation does it for whole blocks. */
#ifndef PARE_RECONSTRUCT_RECONSTRUCT_H
#define PARE_RECONSTRUCT_RECONSTRUCT_H

#include "repair/repaired.h"
#include "repair/stage_fit.h"
#include "support/runtime.h"
#include "support/work.h"

typedef struct pare_reconstruction {
    const pare_model *dense;
    const bool *dense_dropped;       /* [layers of dense] those that the smaller model has not */
    const pare_model *model;         /* the smaller one is what is left of this */
    const pare_selection *selection; /* from model; all hidden channels stay */
    const pare_repaired *repaired;   /* over it; or NULL */
    const pare_backend *backend;
    const pare_runtime *runtime; /* or NULL */
    const uint32_t *ids;         /* [sequences, length], 2 sequences or more */
    int64_t sequences, length;
    uint32_t steps;                      /* for each stage */
    double rate;                         /* of the first step */
    uint32_t rank;                       /* of factors that are trained beside the matrices; 0: the matrices are */
    double dense_share;                  /* a, 0 .. 1 */
    float *const (*metric)[PARE_STAGES]; /* [layers of model] F: float [d, d] symmetric; or NULL */
    bool keep_zeros;
    uint64_t seed;
    uint64_t limit;      /* bytes of anonymous memory; 0: none set */
    uint64_t held;       /* of which so many are taken meanwhile, such as by `repaired` */
    const char *scratch; /* folder for streams and weights that do not fit; NULL: none */
    const char *state;   /* files of finished layers begin with this path (reconstruct_file.h); NULL: none are kept */
    const char *key;     /* that they belong to: 64 hexadecimal digits */
} pare_reconstruction;

/* *out: every tensor of the kept layers as it is now, and the rest of `repaired`; free with pare_repaired_free.
 * rebuilt: [layers of model][PARE_STAGES]; a parallel block's is that of its FFN. */
pare_status pare_reconstruct_run(const pare_reconstruction *asked, pare_repaired *out,
                                 pare_rebuilt (*rebuilt)[PARE_STAGES]);

/* Bytes that it holds, `held` among them, and how many of them are in scratch files. PARE_BAD_ARGUMENT for a single
 * sequence; PARE_OUT_OF_MEMORY, naming what to change, if they exceed the limit. */
pare_status pare_reconstruct_measure(const pare_reconstruction *asked, uint64_t *bytes, uint64_t *in_files);
/* What it has to do. */
pare_work pare_reconstruct_work(const pare_reconstruction *asked);

#endif
