/* What a model says of a few tokens, all of it. */
#ifndef PARE_MODEL_LOGITS_H
#define PARE_MODEL_LOGITS_H

#include "model/pass.h"

typedef struct pare_logits_request {
    const pare_source *source;
    const pare_adapters *adapters; /* beside the weights; NULL: none */
    const uint32_t *ids;           /* [length] */
    int64_t length;
    uint64_t limit;         /* bytes that the pass may take; 0: none set */
    pare_pass_step_fn step; /* as of pare_pass_on_step; NULL: none */
    void *context;
} pare_logits_request;

/* *logits: float [length, vocabulary], freed with pare_free, on failure as well. */
pare_status pare_logits_compute(const pare_logits_request *request, float **logits);

#endif
