/* What a block with experts works in, beside the activations of all blocks: what its router chose, kept for the
 * backward, and room for one expert: its weights as they are composed, and the tokens that reach it. The backward runs
 * each expert's first half again, so that nothing of one is kept while another works. */
#ifndef PARE_MODEL_EXPERT_ROOM_H
#define PARE_MODEL_EXPERT_ROOM_H

#include "backend/backend.h"
#include "model/config.h"
#include "model/routing.h"

/* What buffers are for: what a forward leaves for the backward, what both use meanwhile, and the backward alone. */
typedef enum pare_room_use { PARE_ROOM_RESULT, PARE_ROOM_TEMPORARY, PARE_ROOM_BACKWARD } pare_room_use;

enum { PARE_EXPERT_MATRICES = 3 };

typedef struct pare_expert_room {
    pare_routing routing;               /* its buffers; sizes are those of the last forward */
    float *shared_share;                /* [tokens] of the expert that all tokens reach: the sigmoid of its gate */
    void *matrix[PARE_EXPERT_MATRICES]; /* operands [width, d], [width, d], [d, width] */
    void *router;                       /* operand [experts, d] */
    float *shared_gate;                 /* [d] */
    float *correction;                  /* [experts] */
    float *router_bias;                 /* [experts] */
    float *bias[PARE_EXPERT_MATRICES];  /* [width], [width], [d] */
    void *x;                            /* operand [tokens, d] what its tokens read */
    float *gate, *up;                   /* [tokens, width] */
    void *activated;                    /* operand [tokens, width] */
    float *y;                           /* [tokens, d] what it makes of them; in the backward dL/dx */
    void *dy;                           /* operand [tokens, d]; backward only from here on */
    float *dactivated;                  /* [tokens, width] */
    void *dgate, *dup;                  /* operand [tokens, width] */
    float *felt;                        /* [tokens, chosen] share dL/dshare */
    float *dlogits;                     /* [tokens, experts] */
    void *dlogits_operand;
} pare_expert_room;

/* Bytes of the buffers up to a use; 0 for models without experts. */
uint64_t pare_expert_room_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                pare_room_use last);
/* Adds them to *out, which is all zero or has some of them. Free with pare_expert_room_free. */
pare_status pare_expert_room_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                 pare_room_use last, pare_expert_room *out);
/* Everything but the results becomes that of `shared`, or NULL again. */
void pare_expert_room_share(const pare_expert_room *shared, pare_expert_room *room);
void pare_expert_room_unshare(pare_expert_room *room);
void pare_expert_room_free(pare_expert_room *room);

#endif
