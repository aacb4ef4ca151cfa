/* What all experts of a layer make of the same tokens, whether these reach them or not: enough to say what the layer
 * would put out with any shares. */
#ifndef PARE_CALIBRATE_EXPERT_OUTPUTS_H
#define PARE_CALIBRATE_EXPERT_OUTPUTS_H

#include "calibrate/expert_load.h"
#include "model/routing.h"
#include "model/work.h"
#include "support/scratch.h"

/* Of one layer, of tokens that are spread over the calibration text. */
typedef struct pare_expert_outputs {
    uint32_t layer, experts, chosen;
    const pare_experts *rule; /* this and the correction as in pare_routing */
    const float *correction;
    int64_t tokens;
    float *logits; /* [tokens, experts] of the router */
    /* [tokens, pare_expert_pairs(experts)] inner products of the outputs, row by row of the lower triangle */
    float *gram;
} pare_expert_outputs;

static inline int64_t pare_expert_pairs(int64_t experts) {
    return experts * (experts + 1) / 2;
}

/* The place of a pair in a token's list. */
static inline int64_t pare_expert_pair(int64_t a, int64_t b) {
    return a > b ? pare_expert_pairs(a) + b : pare_expert_pairs(b) + a;
}

/* Called when all tokens of a layer have been seen; what it is shown is gone after the call. */
typedef pare_status (*pare_expert_outputs_fn)(void *context, const pare_expert_outputs *outputs);

/* Tokens of `tokens` that are looked at: as many as PARE_EXPERT_OUTPUTS_BYTES hold, at least one slice. */
enum { PARE_EXPERT_OUTPUTS_BYTES = 1 << 28, PARE_EXPERT_SLICE_BYTES = 1 << 27 };
int64_t pare_expert_outputs_tokens(const pare_model *model, int64_t tokens);
/* Bytes that looking holds beside the pass. */
uint64_t pare_expert_outputs_bytes(const pare_model *model, int64_t tokens);
/* What all experts have to do beside the forward, and their inner products. */
pare_work pare_expert_outputs_work(const pare_model *model, int64_t tokens);

/* Into a load that is all zero, what one forward of the batch comes to; and shows what experts make, layer by layer, on
 * all ranks that of all sequences. scratch as in pare_scratch_open. Takes the pass's observer and step callback for
 * itself and leaves it without any. */
pare_status pare_expert_outputs_see(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                    const char *scratch, pare_expert_load *load, pare_expert_outputs_fn shown,
                                    void *context);

#endif
