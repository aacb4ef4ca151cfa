/* Which experts each token reaches, and by how much: from the router's logits, and back to them.
 *
 *   p = softmax(logits);  chosen: the `chosen` largest, the lower index first among equals
 *   share = p, or p over the sum of those chosen where they are normalised
 *
 * which is also a softmax of the chosen logits alone, as some classes compute it. */
#ifndef PARE_MODEL_ROUTING_H
#define PARE_MODEL_ROUTING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_routing {
    int64_t tokens, experts, chosen;
    bool normalised;
    float *probability; /* [tokens, experts] */
    float *share;       /* [tokens, chosen] the likeliest first */
    int32_t *expert;    /* [tokens, chosen] */
    int32_t *order;     /* [tokens * chosen] places in `share`, expert by expert, each one's tokens ascending */
    int64_t *first;     /* [experts + 1] of each expert in `order` */
} pare_routing;

/* probability: in the router's logits, out their softmax. off: [experts] those that are never chosen, whose logits
 * count as minus infinity, fewer than experts - chosen; NULL: none. */
void pare_routing_choose(const pare_routing *routing, const bool *off);
/* The same of one token, whose expert and share are what counts: its logits may be anything afterwards. Where fewer are left than it chooses, but one, the
 * others' shares are 0. */
void pare_routing_choose_token(const pare_routing *routing, const bool *off, int64_t token);

/* felt: [tokens, chosen] share * dL/dshare. dlogits: [tokens, experts], overwritten. */
void pare_routing_backward(const pare_routing *routing, const float *felt, float *dlogits);

#endif
