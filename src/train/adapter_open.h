/* An adapter folder that is used as it is, not trained on. */
#ifndef PARE_TRAIN_ADAPTER_OPEN_H
#define PARE_TRAIN_ADAPTER_OPEN_H

#include "train/trained.h"

/* pare_lora_read_adapter, with its dropout off. *left: the runtime with the memory limit that the adapter leaves;
 * PARE_OUT_OF_MEMORY if it leaves nothing. runtime may be NULL. On failure *out is NULL. */
pare_status pare_lora_open_adapter(const pare_model *model, const pare_backend *backend, const char *directory,
                                   const pare_runtime *runtime, pare_lora_options *options, pare_runtime *left,
                                   pare_trained **out);

#endif
