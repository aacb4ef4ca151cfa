/* What attention is told of positions: rotations, and slopes of ALiBi. Shared by all blocks. */
#ifndef PARE_MODEL_POSITION_TABLES_H
#define PARE_MODEL_POSITION_TABLES_H

#include "model/config.h"

typedef struct pare_position_tables {
    float *rotation[PARE_ROPES]; /* [positions, rotated]; NULL where no layer turns by it */
    float *slopes;               /* [heads]; NULL without ALiBi */
} pare_position_tables;

uint64_t pare_position_tables_bytes(const pare_config *config, int64_t positions);
/* growing: for sequences that begin short and grow, as in generation: positions below a longrope's original ones turn
 * by its short factors, whatever comes later. Free with pare_position_tables_free. */
pare_status pare_position_tables_new(const pare_config *config, int64_t positions, bool growing,
                                     pare_position_tables *out);
void pare_position_tables_free(pare_position_tables *tables);

#endif
