/* Tensors of layers with experts, held against config.json. */
#ifndef PARE_MODEL_CONFIG_FIT_EXPERTS_H
#define PARE_MODEL_CONFIG_FIT_EXPERTS_H

#include "model/config_inventory.h"

/* Sets widths->experts; `ffn` is measured already. Nothing for a layer without. */
pare_status pare_config_fit_experts(const pare_inventory *from, uint32_t layer, pare_widths *widths);

#endif
