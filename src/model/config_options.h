/* The switches of a family's row that a config.json may set, and its activation. */
#ifndef PARE_MODEL_CONFIG_OPTIONS_H
#define PARE_MODEL_CONFIG_OPTIONS_H

#include "model/config.h"
#include "model/config_fields.h"

/* Sets config->architecture by the options of config->family. What the file asks for and pare has not is refused. */
pare_status pare_config_read_options(pare_fields fields, pare_config *config);

/* "gelu_new": as transformers spells it. */
const char *pare_activation_name(pare_activation activation);
/* False if pare knows none of that name. */
bool pare_activation_find(const char *name, pare_activation *out);

#endif
