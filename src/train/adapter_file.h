/* The two files of a PEFT adapter folder, and what its tensors are called. */
#ifndef PARE_TRAIN_ADAPTER_FILE_H
#define PARE_TRAIN_ADAPTER_FILE_H

#include "train/trained.h"

#define PARE_ADAPTER_CONFIG "adapter_config.json"
#define PARE_ADAPTER_WEIGHTS "adapter_model.safetensors"

enum { PARE_ADAPTER_NAME = 160 };

/* The name of tensor `id`'s factor 'A' or 'B'; false if it is no matrix of a layer. */
bool pare_adapter_name(const pare_model *model, size_t id, char factor, char name[PARE_ADAPTER_NAME]);

/* Where a factor is in the flat array, and its shape. */
typedef struct pare_factor {
    size_t at;
    uint64_t shape[2];
} pare_factor;
/* which: 'A' or 'B' */
pare_factor pare_factor_of(const pare_lora_factors *factors, char which);

/* "q_proj" and so on. */
const char *pare_adapter_module(pare_role role);

/* What adapter_config.json of the folder says. Refuses, naming the field, what would make the adapter anything but
 * scale B A beside the matrices whose factors are in the file. targets are left alone. */
pare_status pare_adapter_config_read(const char *directory, pare_lora_options *options);

/* *text: the file, freed with pare_free. */
pare_status pare_adapter_config_text(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                     char **text);

#endif
