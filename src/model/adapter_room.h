/* What adapters need beside the activations of a block. */
#ifndef PARE_MODEL_ADAPTER_ROOM_H
#define PARE_MODEL_ADAPTER_ROOM_H

#include "model/adapter.h"
#include "model/source.h"

typedef struct pare_adapter_shape {
    int64_t tokens; /* through a block at a time */
    int64_t rank;   /* the largest; 0: none */
    bool dropout, backward;
} pare_adapter_shape;

/* Zeroed: none. */
typedef struct pare_adapter_room {
    void *low[PARE_MATRIX_ROLES];  /* operand [rank, tokens]: scale A x', kept for the backward */
    void *dlow[PARE_MATRIX_ROLES]; /* the same of scale B^T dy; backward only */
    void *other[2];                /* both of what is no role's, an expert's or a latent's: made when it is needed */
    float *product;                /* [rank, tokens] either of them before it is an operand */
    void *dropped;                 /* with dropout: x' as operands, or a stretch of dx' as floats */
    int64_t dropped_floats;        /* at least a row of x, by token or by feature */
} pare_adapter_room;

uint64_t pare_adapter_room_bytes(const pare_backend *backend, const pare_config *config,
                                 const pare_adapter_shape *shape);
pare_status pare_adapter_room_new(const pare_backend *backend, const pare_config *config,
                                  const pare_adapter_shape *shape, pare_adapter_room *out);
void pare_adapter_room_free(pare_adapter_room *room);

/* Room of its own for what a forward leaves to the backward; the rest is that of `shared`, which must live as long. */
uint64_t pare_adapter_results_bytes(const pare_backend *backend, const pare_adapter_shape *shape);
pare_status pare_adapter_results_new(const pare_backend *backend, const pare_adapter_shape *shape,
                                     const pare_adapter_room *shared, pare_adapter_room *out);
void pare_adapter_results_free(pare_adapter_room *room);

/* Fails unless the adapters fit a room of that rank, with or without dropout. */
pare_status pare_adapters_check(const pare_adapters *adapters, int64_t rank, bool dropout);

#endif
