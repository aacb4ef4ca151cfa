/* What config.json of a model that reads pictures says of these. */
#ifndef PARE_MODEL_CONFIG_VISION_H
#define PARE_MODEL_CONFIG_VISION_H

#include "model/config.h"
#include "model/config_fields.h"

/* Sets vision, vocabulary (the number of classes), embedding_width and the positions: one for each patch, and one for
 * each token of the model's own. */
pare_status pare_config_read_vision(pare_fields fields, pare_config *config);

/* The names of the classes as id2label has them, else as transformers calls them, "LABEL_3"; a copy each, `names`
 * [config->vocabulary]. Free with pare_class_names_free. */
pare_status pare_class_names(const pare_config *config, char ***names);
void pare_class_names_free(const pare_config *config, char **names);

#endif
