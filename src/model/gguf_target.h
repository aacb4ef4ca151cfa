/* The architecture of a GGUF file that holds a model: llama.cpp reads the file if it says so, and computes the same. */
#ifndef PARE_MODEL_GGUF_TARGET_H
#define PARE_MODEL_GGUF_TARGET_H

#include "model/gguf_architecture.h"

typedef struct pare_gguf_target {
    const pare_gguf_architecture *row;
    uint32_t roles; /* bits of those that get a tensor; biases that the model has not are zeros */
    uint32_t
        positions; /* context_length: less than the model's where llama.cpp would not heed the windows of its layers */
} pare_gguf_target;

/* The first row that can hold it: the family's own; else that of a LLaMA, where the block is one; else, where layers
 * differ, that of LLaMAs whose layers differ. path: of the model, as messages call it. */
pare_status pare_gguf_target_find(const pare_config *config, const char *path, pare_gguf_target *out);

/* The period of windows, every so many-th layer having none: 1 where no layer has one, above the number of
 * layers where all have one, 0 where it is no period. */
uint32_t pare_gguf_window_period(const pare_config *config);

/* Whether a file of this architecture says which layers have a window, of a model that has any. */
bool pare_gguf_says_windows(const pare_gguf_architecture *row, const pare_config *config);

/* What an option of the family has set, as config.json says it (config_options.c). Number 0: none. */
double pare_gguf_number_of(const pare_config *config, const pare_option *option);
bool pare_gguf_flag_of(const pare_config *config, const pare_option *option);

/* True if the row has a key for this one of config.json. */
bool pare_gguf_says(const pare_gguf_architecture *row, const char *config_key);

#endif
