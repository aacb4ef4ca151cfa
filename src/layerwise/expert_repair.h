/* What is done for the experts that stay: those that go are merged into them, the router is fitted to the dense one's
 * logits, and each one's down projection to what the dense layer puts out.
 *
 * The walk has the dense and the pruned stream (layerwise.h); how down projections are fitted: expert_fit.h. */
#ifndef PARE_LAYERWISE_EXPERT_REPAIR_H
#define PARE_LAYERWISE_EXPERT_REPAIR_H

#include "calibrate/expert_load.h"
#include "layerwise/expert_fit.h"

/* Where experts of a layer go: the number of the kept one that each is merged into, a kept one's own for itself. */
typedef struct pare_expert_groups {
    uint32_t layers, experts;
    uint32_t *into; /* [layers, experts] */
} pare_expert_groups;

typedef struct pare_expert_repair {
    const pare_source *source; /* the dense model */
    const pare_runtime *runtime;
    const uint32_t *ids; /* [sequences, length] */
    int64_t sequences, length;
    uint64_t limit;
    const char *scratch;
    const pare_selection *selection;
    const pare_expert_groups *groups; /* NULL: what goes is dropped */
    const pare_expert_load *load;     /* whose tokens are weights in a merge */
    bool down, router;                /* what is fitted */
    double dense, damping;            /* of the down projections, as in pare_expert_fit */
    bool final_norm;
} pare_expert_repair;

/* fits: [layers], or NULL; of the FFN stages the errors. Free *repaired with pare_repaired_free. */
pare_status pare_expert_repair_run(const pare_expert_repair *job, pare_repaired *repaired,
                                   pare_stage_fit (*fits)[PARE_STAGES]);
/* Bytes, and what there is to do, where `kept` [layers] experts stay. */
pare_status pare_expert_repair_measure(const pare_expert_repair *job, const pare_widths *kept,
                                       pare_layerwise_memory *memory);
pare_work pare_expert_repair_work(const pare_expert_repair *job, const pare_widths *kept);

#endif
