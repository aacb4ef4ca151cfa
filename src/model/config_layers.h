/* Which layers see all tokens and which a window, and which rotate their queries and keys. */
#ifndef PARE_MODEL_CONFIG_LAYERS_H
#define PARE_MODEL_CONFIG_LAYERS_H

#include "model/config.h"
#include "model/config_fields.h"
#include "model/config_write.h"

/* config->plan, by the family's rule and the file's layer_types, sliding_window, no_rope_layers and their kin. */
pare_status pare_config_read_layers(pare_fields fields, pare_config *config);

/* The width of the widest window of a layer; 0: none has one. */
uint32_t pare_config_window(const pare_config *config);

/* Says in `json`, for whoever reads it next, which layers have a window and a rotation, where the file had only a rule
 * by which it follows from a layer's number, and layers go. */
void pare_config_write_layers(const pare_config *original, const pare_config_sizes *sizes, json_t *json);

#endif
