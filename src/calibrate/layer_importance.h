/* How much a whole layer matters, for dropping layers. Both take the pass's step and block callbacks for themselves
 * while they run and leave it without any. */
#ifndef PARE_CALIBRATE_LAYER_IMPORTANCE_H
#define PARE_CALIBRATE_LAYER_IMPORTANCE_H

#include "model/pass.h"

typedef struct pare_layer_batch {
    const uint32_t *ids; /* [sequences, length of the pass's shape] */
    int64_t sequences;   /* at most the shape's; all of them where it has shards, which ranks then share */
    /* Told after every block; may stop the work with a status. May be NULL. */
    pare_pass_step_fn step;
    void *step_context;
} pare_layer_batch;

/* Block influence (ShortGPT): 1 - mean over tokens of cosine(block input, block output), from one forward.
 * influence: double [layers]; 0 for layers that the source skips. A token whose input or output is zero counts as
 * cosine 0. The pass must be shaped to be observed or to keep block inputs. */
pare_status pare_layer_influence(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                 double *influence);

/* Mean negative log-likelihood of the batch's predictions as it is (*dense), and with each layer left out:
 * losses: double [layers]; those of layers that the source skips already are the dense one, those of
 * layers without which the model computes no number are infinite. A pass that keeps block
 * inputs runs only the layers above each one that is left out: half the work. */
pare_status pare_layer_removal_losses(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                      double *dense, double *losses);

#endif
