/* What config.json says of experts: read by the rule of the family's row, and written for fewer of them. */
#ifndef PARE_MODEL_CONFIG_EXPERTS_H
#define PARE_MODEL_CONFIG_EXPERTS_H

#include "model/config.h"
#include "model/config_fields.h"

static inline bool pare_has_experts(const pare_config *config) {
    return config->experts.count > 0;
}

/* Sets config->experts, and `routed` in the plan of each layer, which must be there. Nothing for families without. */
pare_status pare_config_read_experts(pare_fields fields, pare_config *config);

/* The number of experts that the layers have, under every key that states it, and which layers have them, where some
 * are dropped. Layers with experts must have as many as each other. */
void pare_config_write_experts(const pare_config *original, const pare_config_sizes *sizes, json_t *json);

#endif
