/* Keys of config.json that the classes of some families take under a second name, and sizes that they know themselves.
 */
#ifndef PARE_MODEL_CONFIG_SPELLING_H
#define PARE_MODEL_CONFIG_SPELLING_H

#include "model/config_fields.h"

/* `text`, the object of `fields`, then has the family's own names only, and the sizes that its class takes where there
 * are none. Fails where both names of a key are there and differ. */
pare_status pare_config_respell(pare_fields fields, const char *model_type, json_t *text);

#endif
