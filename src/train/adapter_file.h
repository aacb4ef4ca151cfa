/* The two files of a PEFT adapter folder. */
#ifndef PARE_TRAIN_ADAPTER_FILE_H
#define PARE_TRAIN_ADAPTER_FILE_H

#include "train/adapter_module.h"

#define PARE_ADAPTER_CONFIG "adapter_config.json"
#define PARE_ADAPTER_WEIGHTS "adapter_model.safetensors"

/* What options and reports call a role's matrix in all families: "q_proj" and so on. */
const char *pare_adapter_role(pare_role role);

/* What adapter_config.json of the folder says. Refuses, naming the field, what would make the adapter anything but
 * scale B A beside the matrices whose factors are in the file. targets are left alone. */
pare_status pare_adapter_config_read(const char *directory, pare_lora_options *options);

/* *text: the file, freed with pare_free. */
pare_status pare_adapter_config_text(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                     char **text);

#endif
