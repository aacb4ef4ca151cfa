/* What attention is told of positions: rotations, factors of queries, and slopes of ALiBi. Shared by all blocks. */
#ifndef PARE_MODEL_POSITION_TABLES_H
#define PARE_MODEL_POSITION_TABLES_H

#include "model/config.h"

typedef struct pare_position_tables {
    float *rotation[PARE_ROPES]; /* [positions, rotated]; NULL where no layer turns by it */
    float *beyond[PARE_ROPES];   /* the same by long factors (rope.h); NULL where there are none so far out */
    float *query_scale;          /* [positions]; NULL where all are 1 */
    float *slopes;               /* [heads]; NULL without ALiBi */
} pare_position_tables;

uint64_t pare_position_tables_bytes(const pare_config *config, int64_t positions);
/* Free with pare_position_tables_free. */
pare_status pare_position_tables_new(const pare_config *config, int64_t positions, pare_position_tables *out);
void pare_position_tables_free(pare_position_tables *tables);

#endif
