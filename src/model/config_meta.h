/* The config.json that a model in Meta's or Mistral's own format would have. */
#ifndef PARE_MODEL_CONFIG_META_H
#define PARE_MODEL_CONFIG_META_H

#include "model/config.h"

/* Makes it of params.json and of what only the tensors know (vocabulary, width of the FFN, dtype), and reads it as
 * pare_config_read would. checkpoint: one of those formats. */
pare_status pare_config_read_meta(const pare_checkpoint *checkpoint, pare_config *out);

#endif
