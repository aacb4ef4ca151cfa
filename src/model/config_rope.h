/* Rotary positions as a config.json has them. */
#ifndef PARE_MODEL_CONFIG_ROPE_H
#define PARE_MODEL_CONFIG_ROPE_H

#include "model/config.h"
#include "model/config_fields.h"

/* config->rope, as transformers 5 reads it: rope_scaling if it says anything, else rope_parameters; the theta in there,
 * else rope_theta, else the family's; original_max_position_embeddings of the file itself before that of the object,
 * else max_position_embeddings. Refused where both objects are there and name another theta or another part of the
 * heads. rope_parameters may have a setting for each kind of layers. */
pare_status pare_config_read_rope(pare_fields fields, pare_config *config);

/* Writes rope_parameters (transformers 5) and, saying the same, rope_theta and rope_scaling (before). */
void pare_config_write_rope(const pare_rope_config *rope, json_t *config);

/* The same for whatever rotations a family has: parts of heads, settings by kind of layers. */
void pare_config_write_ropes(const pare_config *config, json_t *json);

/* rope_scaling (a new reference): all that it says of plain, linear, dynamic and llama3, and a yarn's factor. */
json_t *pare_config_rope_scaling(const pare_rope_config *rope);

#endif
