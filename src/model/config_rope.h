/* Rotary positions as a config.json has them. */
#ifndef PARE_MODEL_CONFIG_ROPE_H
#define PARE_MODEL_CONFIG_ROPE_H

#include "model/config.h"
#include "model/config_fields.h"

/* As transformers 5 reads it: rope_scaling if it says anything, else rope_parameters; the theta in there, else
 * rope_theta, else 10000; original_max_position_embeddings of the file itself before that of the object, else
 * `positions`. Refused where both objects are there and name another theta or another part of the heads. */
pare_status pare_config_read_rope(pare_fields fields, uint32_t positions, pare_rope_config *rope);

/* Writes rope_parameters (transformers 5) and, saying the same, rope_theta and rope_scaling (before). */
void pare_config_write_rope(const pare_rope_config *rope, json_t *config);

#endif
