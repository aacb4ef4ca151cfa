/* What calibration tokens make of the experts of each layer: how many reach each, with which shares, how large what it
 * makes of them is, and what the loss feels of it. */
#ifndef PARE_CALIBRATE_EXPERT_LOAD_H
#define PARE_CALIBRATE_EXPERT_LOAD_H

#include "calibrate/layer_importance.h"

/* Each: double [layers, experts], experts as config.json counts them; zeros in layers without. */
typedef struct pare_expert_load {
    uint32_t layers, experts;
    double *tokens;  /* that reach the expert */
    double *shares;  /* their sum */
    double *outputs; /* sum of share times L2 norm of what the expert makes of the token */
    double *felt;    /* derivative of the loss by a factor of all that the expert makes */
} pare_expert_load;

static inline size_t pare_expert_load_at(const pare_expert_load *load, uint32_t layer, uint32_t expert) {
    return (size_t)layer * load->experts + expert;
}

/* Bytes of one; measuring takes as many for every shard of the pass. */
uint64_t pare_expert_load_bytes(const pare_model *model);
/* All zero, for a model with experts. Free with pare_expert_load_free. */
pare_status pare_expert_load_new(const pare_model *model, pare_expert_load *out);
pare_status pare_expert_load_copy(const pare_model *model, const pare_expert_load *from, pare_expert_load *out);
void pare_expert_load_free(pare_expert_load *load);

/* Adds one expert's tokens of a micro-batch. */
void pare_expert_load_add(pare_expert_load *load, int64_t hidden, const pare_expert_seen *seen);

/* What the tokens of each of this rank's shards of a pass come to, while the pass runs. */
typedef struct pare_expert_parts {
    const pare_pass *pass;
    pare_expert_load part[PARE_SHARDS];
} pare_expert_parts;

/* To be finished, whatever comes of it. */
pare_status pare_expert_parts_begin(const pare_pass *pass, const pare_model *model, pare_expert_parts *parts);
/* Of the shard that an observer is shown. */
pare_expert_load *pare_expert_parts_in_hand(pare_expert_parts *parts);
/* Called by all ranks: the sums of all shards, one after the other, into a load that is all zero, unless something has
 * failed so far. */
pare_status pare_expert_parts_finish(pare_expert_parts *parts, pare_status so_far, pare_expert_load *load);

/* Into a load that is all zero, what one forward of the batch comes to, shard by shard where the pass's shape says so.
 * Takes the pass's observer and step callback for itself and leaves it without any. */
pare_status pare_expert_load_measure(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                     pare_expert_load *load);
/* Forward and backward of all sequences of the shape, which has `gradients` and `frozen`, felt among it. */
pare_status pare_expert_load_feel(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                  pare_expert_load *load, double *loss);

#endif
