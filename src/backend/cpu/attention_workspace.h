/* The buffers of one attention call: tiles of all (batch, group) pairs at a time, and a few numbers per row. */
#ifndef PARE_BACKEND_CPU_ATTENTION_WORKSPACE_H
#define PARE_BACKEND_CPU_ATTENTION_WORKSPACE_H

#include "backend/cpu/cpu.h"

enum { PARE_ATTENTION_TILE = 128 };

typedef struct pare_attention_workspace {
    float *scores;                        /* [pairs, tile * shared, tile] */
    float *partial;                       /* [pairs, tile * shared, head], or of keys */
    float *dscores;                       /* as scores; backward only */
    void *operand_a, *operand_b;          /* scores, dscores as matrix operands: themselves, where those are float */
    void *queries, *keys, *values, *dout; /* packed tiles, operands; dout: backward only */
    float *maximum, *sum, *dot;           /* [pairs, queries * shared]; dot: backward only */
    float *factors;                       /* [pairs, tile * shared]; forward only */
} pare_attention_workspace;

pare_status pare_attention_workspace_new(pare_attention_workspace *workspace, const pare_backend *backend,
                                         const pare_attention *shape, bool backward);
void pare_attention_workspace_free(pare_attention_workspace *workspace);

#endif
