/* What the parts of a repair of experts share. */
#ifndef PARE_LAYERWISE_EXPERT_REPAIR_INTERNAL_H
#define PARE_LAYERWISE_EXPERT_REPAIR_INTERNAL_H

#include "layerwise/expert_repair.h"
#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "surgery/mask.h"

typedef struct pare_expert_walk {
    const pare_expert_repair *job;
    pare_layerwise l;
    pare_mask mask;
    pare_source pruned;            /* l's source without the experts that go, and with what was changed */
    pare_replacement *replacement; /* [tensor_count] */
    pare_stage_fit (*fits)[PARE_STAGES];
    uint32_t layer; /* in hand */

    pare_expert_fit down; /* with job->down */

    float *logits; /* [micro-batch tokens, experts] of the dense model; with job->router from here on */
    void *wanted;  /* operand [micro-batch tokens, experts] that the kept experts' lack */
    float *router_gram, *router_cross; /* [d, d], [experts, d] */
    float *rows;                       /* [experts, d] of the router */
    bool seen;                         /* the router's sums hold something */
} pare_expert_walk;

/* Puts float [rows, columns] in the place of a tensor: rounded to its type and back in `values`. The router: of its
 * kept rows, at these places. */
pare_status pare_expert_walk_put(pare_expert_walk *w, size_t id, int64_t rows, int64_t columns, const uint32_t *places,
                                 float *values);

/* Of the layer in hand, between its attention and its FFN. */
pare_status pare_expert_merge(pare_expert_walk *w);
pare_status pare_expert_fit_router(pare_expert_walk *w);

/* The room of a walk whose layerwise part is there. */
pare_status pare_expert_walk_new(pare_expert_walk *w);
void pare_expert_walk_free(pare_expert_walk *w);
pare_layerwise_request pare_expert_request(const pare_expert_repair *job);

#endif
