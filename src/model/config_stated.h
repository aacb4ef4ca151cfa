/* What config.json says about widths, beside what the tensors have. */
#ifndef PARE_MODEL_CONFIG_STATED_H
#define PARE_MODEL_CONFIG_STATED_H

#include "model/config.h"
#include "model/config_fields.h"
#include "model/family.h"

/* Beside lists of widths: no class of transformers loads these. */
#define PARE_PER_LAYER_KEY "pare_per_layer_widths"

/* The layer's number in what the file says under a key: a number, or a list with one for each layer; 0: silent. */
uint32_t pare_config_stated(const pare_config *config, pare_config_key key, uint32_t layer);
/* True if the file's list says that the layer has none. */
bool pare_config_states_none(const pare_config *config, pare_config_key key, uint32_t layer);
/* True if the file says that its layers differ, as pare writes it: then a layer's tensors may be without rows, too. */
bool pare_config_states_layers(const pare_config *config);

/* Refuses numbers that are not those of the tensors. */
pare_status pare_config_check_widths(pare_fields fields, const pare_config *config);

#endif
