/* What config.json says of attention over latents, by the rule of the family's row, and shapes that follow from it. */
#ifndef PARE_MODEL_CONFIG_LATENT_H
#define PARE_MODEL_CONFIG_LATENT_H

#include "model/config.h"
#include "model/config_fields.h"

/* Sets config->latent and the head size. Nothing for families without. */
pare_status pare_config_read_latent(pare_fields fields, pare_config *config);
/* The scale of scores, which a yarn changes; after the rotation was read. */
pare_status pare_config_read_latent_scale(pare_fields fields, pare_config *config);

/* Rows and columns of Q, K, V and O in a layer of these widths; false for all other roles, and without latents. */
bool pare_config_latent_shape(const pare_config *config, const pare_widths *widths, pare_role role, int64_t *rows,
                              int64_t *columns);

/* True if the role's matrix reads one of the latents, and not what its kind of input is elsewhere (observer.h). */
bool pare_reads_latent(const pare_config *config, pare_role role);

#endif
