/* Which layers see all tokens and which a window, and which rotate their queries and keys. */
#ifndef PARE_MODEL_CONFIG_LAYERS_H
#define PARE_MODEL_CONFIG_LAYERS_H

#include "model/config.h"
#include "model/config_fields.h"

/* config->plan, by the family's rule and the file's layer_types, sliding_window, no_rope_layers and their kin. */
pare_status pare_config_read_layers(pare_fields fields, pare_config *config);

#endif
