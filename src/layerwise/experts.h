/* Experts in the walk: their matrices are no roles of the layer, and each sees tokens of its own. What their inputs
 * show is gathered a group of experts at a time, as many as memory has room for: the layer runs up to its router once
 * more for every group, and of its experts those of the group alone.
 *
 * With n tokens in all, n_e of which reach expert e, G the layer's sum of x x^T over all of them and G_e the expert's:
 *
 *   gate, up   G_e + s n_e / n G, s = 0.01; or n_e / n G where n_e is below the width of x
 *   Down       sum of a a^T over its n_e tokens, a: its activations; or n_e / n times that over all n, where n_e is
 *              below the width of a
 *
 * and the same of norms and means. An expert that no token reaches counts as having one. */
#ifndef PARE_LAYERWISE_EXPERTS_H
#define PARE_LAYERWISE_EXPERTS_H

#include "layerwise/layerwise.h"
#include "model/expert_names.h"

/* What an expert's matrices read. */
typedef enum pare_expert_input { PARE_EXPERT_READS, PARE_EXPERT_ACTIVATED, PARE_EXPERT_INPUTS } pare_expert_input;

enum { PARE_ALL_EXPERT_INPUTS = (1 << PARE_EXPERT_INPUTS) - 1 };

static inline pare_expert_input pare_expert_input_of(pare_expert_part part) {
    return part == PARE_EXPERT_DOWN ? PARE_EXPERT_ACTIVATED : PARE_EXPERT_READS;
}

/* The role that a part has where an FFN is one for all tokens. */
static inline pare_role pare_expert_role(pare_expert_part part) {
    return (pare_role)(PARE_ROLE_GATE + (int)part);
}

/* Of one expert. */
typedef struct pare_expert_statistics {
    uint32_t expert;
    int64_t tokens;                    /* that reach it */
    bool borrowed[PARE_EXPERT_INPUTS]; /* it takes the layer's */
    pare_input_statistics inputs[PARE_EXPERT_INPUTS];
    float *gram_room[PARE_EXPERT_INPUTS];
    double *outputs[PARE_EXPERT_PARTS]; /* [rows] sums of squares of what leaves the part; NULL: not wanted */
} pare_expert_statistics;

struct pare_layer_experts {
    int64_t *tokens;            /* [experts] that reach each in the layer in hand */
    int32_t *everyone;          /* [micro-batch tokens] places of which each is of another token, ascending */
    uint32_t together;          /* experts of a group, at most */
    pare_expert_statistics *of; /* [together] */
};

/* True if weights of some expert of the layer go. */
bool pare_layerwise_prunes_experts(const pare_layerwise_request *request, uint32_t layer);

/* Bytes of everything but the groups' statistics, and of the statistics of one expert; 0 where no expert is pruned. */
uint64_t pare_layerwise_experts_bytes(const pare_layerwise_request *request, int64_t micro_batch);
uint64_t pare_layerwise_expert_bytes(const pare_layerwise_request *request);

/* l->experts, for groups of `together`; nothing where no expert is pruned. */
pare_status pare_layerwise_experts_new(pare_layerwise *l, uint32_t together);
void pare_layerwise_experts_free(pare_layerwise *l);

/* Tokens of the micro-batch in hand, whose router's inputs are there, are counted. */
pare_status pare_layerwise_experts_count(pare_layerwise *l);

/* What experts [first, first + count) of the layer in hand read of these inputs (bits), with their weights as they now
 * are; the layer's own statistics must be there. Kept until they are forgotten. */
pare_status pare_layerwise_experts_watch(pare_layerwise *l, uint32_t first, uint32_t count, unsigned inputs,
                                         const pare_element_needs *needs);
void pare_layerwise_experts_forget(pare_layerwise *l);
/* What one of them is shown, into l->sums (sums.c). */
pare_status pare_layerwise_sum_expert(pare_layerwise *l, pare_expert_statistics *s);

/* The same of a Down [d, channels] of an expert that keeps these channels alone. Both lists must stay. */
void pare_layerwise_install_narrow(pare_layerwise *l, size_t id, const pare_index_list *channels, const void *stored);

/* "the inputs of layer 3's expert 5's down projection" */
const char *pare_expert_input_name(uint32_t layer, uint32_t expert, pare_expert_input input, char *name, size_t size);

#endif
