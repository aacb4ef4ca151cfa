/* Which experts each token reaches, and by how much: from the router's logits, and back to them.
 *
 *   p = softmax(logits), or sigmoid(logits);  chosen: the `chosen` largest p + correction, the lower index first among
 *   equals; where experts stand in groups, of those groups whose best p + correction, or best two together, are largest
 *   share = scale p, or scale p over the sum of those chosen where they are normalised
 *
 * which is also a softmax of the chosen logits alone, as some classes compute it. Sparsemixer (Phi-3.5-MoE, arXiv
 * 2409.12136) chooses one after the other, each the largest logit m of those that are left, with the share that it has
 * in the softmax of those of them that lie within (m - logit) / max(|logit|, m) <= 2 jitter. */
#ifndef PARE_MODEL_ROUTING_H
#define PARE_MODEL_ROUTING_H

#include "model/config.h"

typedef struct pare_routing {
    int64_t tokens, experts, chosen;
    const pare_experts *rule; /* normalised, sigmoid, scale, groups */
    const float *correction;  /* [experts], where p are sigmoids; NULL: zeros */
    float *probability;       /* [tokens, experts] */
    float *share;             /* [tokens, chosen] the likeliest first */
    int32_t *expert;          /* [tokens, chosen] */
    int32_t *order;           /* [tokens * chosen] places in `share`, expert by expert, each one's tokens ascending */
    int64_t *first;           /* [experts + 1] of each expert in `order` */
} pare_routing;

/* What multiplies an expert's output for the token of a place, and its input. Where shares multiply inputs, any expert
 * has one for any token: that of the place's token, chosen or not. */
static inline float pare_routing_output_share(const pare_routing *r, int32_t place) {
    return r->rule->shares_inputs ? 1.0f : r->share[place];
}

static inline float pare_routing_input_share(const pare_routing *r, int32_t place, uint32_t expert) {
    return r->rule->shares_inputs ? (float)r->rule->scale * r->probability[place / r->chosen * r->experts + expert]
                                  : 1.0f;
}

/* probability: in the router's logits, out p (sparsemixer: as
 * they are). off: [experts] those that are never chosen, whose logits count as minus
 * infinity; so many are left, in each group, as every token chooses; NULL: none. */
void pare_routing_choose(const pare_routing *routing, const bool *off);
/* The same of one token, whose expert and share are what counts: its logits may be anything afterwards. Where fewer are
 * left than it chooses, but one, the others' shares are 0. */
void pare_routing_choose_token(const pare_routing *routing, const bool *off, int64_t token);

/* felt: [tokens, chosen] share * dL/dshare. dlogits: [tokens, experts], overwritten. */
void pare_routing_backward(const pare_routing *routing, const float *felt, float *dlogits);

#endif
