/* What config.json says of experts: read by the rule of the family's row, and written for fewer of them. */
#ifndef PARE_MODEL_CONFIG_EXPERTS_H
#define PARE_MODEL_CONFIG_EXPERTS_H

#include "model/config.h"
#include "model/config_fields.h"

static inline bool pare_has_experts(const pare_config *config) {
    return config->experts.count > 0;
}

/* So many experts in a layer stand in groups as the class wants them: as many in each, two of them at least where two
 * speak for a group, and as many as a token chooses in the groups that are open to it. */
bool pare_experts_fit_groups(const pare_experts *experts, uint32_t count);

/* Groups of experts that lose as many each: 1 where every token chooses in all of them. */
static inline uint32_t pare_experts_ranked_apart(const pare_experts *experts) {
    return experts->groups_chosen < experts->groups ? experts->groups : 1;
}

/* What all tokens reach is so many times as wide as an expert; 0: it has a width of its own, or there is none. */
uint32_t pare_experts_shared_times(const pare_config *config);

/* Sets config->experts, and `routed` in the plan of each layer, which must be there. Nothing for families without. */
pare_status pare_config_read_experts(pare_fields fields, pare_config *config);

/* The number of experts that the layers have, under every key that states it, their width and those of what is beside
 * them, and which layers have them, where some are dropped. Layers with experts must be like each other, and those
 * without, too. */
void pare_config_write_experts(const pare_config *original, const pare_config_sizes *sizes, json_t *json);

#endif
