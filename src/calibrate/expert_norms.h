/* How large the inputs of experts are: sums of squares of every input feature over the tokens that reach each of them,
 * and how many these are. */
#ifndef PARE_CALIBRATE_EXPERT_NORMS_H
#define PARE_CALIBRATE_EXPERT_NORMS_H

#include "model/block.h"

typedef struct pare_expert_norms {
    const pare_backend *backend;
    uint32_t experts;
    int64_t hidden, width;
    double *tokens;              /* [layers, experts] */
    double *inputs;              /* [layers, experts, hidden] of gate and up */
    double *inner;               /* [layers, experts, width] of Down */
    const pare_observer *others; /* is asked about, and shown, all other inputs */
    pare_observer observer;      /* as that of pare_input_norms */
} pare_expert_norms;

/* *out must stay where it is while its observer is in use. Nothing for models without experts, whose observer shows the
 * others theirs. Free with pare_expert_norms_free. */
pare_status pare_expert_norms_new(const pare_model *model, const pare_backend *backend, const pare_observer *others,
                                  pare_expert_norms *out);
void pare_expert_norms_free(pare_expert_norms *norms);
uint64_t pare_expert_norms_bytes(const pare_model *model);

/* Of all experts of a layer. down: of what Down reads. */
const double *pare_expert_norms_of(const pare_expert_norms *norms, uint32_t layer, bool down);

#endif
