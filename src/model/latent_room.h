/* What attention over latents works in (block_latent.h), beside the activations of all blocks. */
#ifndef PARE_MODEL_LATENT_ROOM_H
#define PARE_MODEL_LATENT_ROOM_H

#include "backend/backend.h"
#include "model/config.h"
#include "model/expert_room.h"

/* One of the two latents: what is projected down, and what its norm makes of it. */
typedef struct pare_latent_values {
    float *down;    /* [tokens, rank] */
    float *inverse; /* [tokens] of its norm */
    void *normed;   /* operand [tokens, rank] */
} pare_latent_values;

typedef struct pare_latent_room {
    pare_latent_values queries, keys; /* kept for the backward */
    void *query_down;                 /* operand [rank, d] */
    float *spread;                    /* [tokens, widest]: a projection before its heads are put together */
    float *turned;  /* [tokens, rotated] of the keys, one for all heads; in the backward its gradient */
    void *gathered; /* operand [tokens, widest]; backward only */
} pare_latent_room;

/* Numbers of a token that the widest of the projections have: heads as files store them, or as attention reads them. */
uint64_t pare_latent_widest(const pare_config *config);

/* As the functions of expert_room.h; 0 and nothing for models without latents. */
uint64_t pare_latent_room_bytes(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                pare_room_use last);
pare_status pare_latent_room_new(const pare_backend *backend, const pare_config *config, int64_t tokens,
                                 pare_room_use last, pare_latent_room *out);
void pare_latent_room_share(const pare_latent_room *shared, pare_latent_room *room);
void pare_latent_room_unshare(pare_latent_room *room);
void pare_latent_room_free(pare_latent_room *room);

#endif
