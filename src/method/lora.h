/* The choices of a method that prunes while LoRA trains (LoRAPrune): docs/methods.md has the published constants. */
#ifndef PARE_METHOD_LORA_H
#define PARE_METHOD_LORA_H

#include "importance/lora_gradient.h"
#include "text/examples.h"

typedef struct pare_lora_recipe {
    /* the score */
    pare_lora_estimate estimate;
    double average; /* share of the old score in the moving average */
    /* the schedule: see select/gradual.h */
    double init_ratio, warmup, cooldown;
    int32_t every; /* steps between two changes of the masks */
    bool released; /* ends with the last change on the way, as the released code does, instead of at the target */
    /* LoRA */
    int32_t rank;
    double alpha, dropout;
    /* training */
    double rate, epochs, clip;
    int32_t batch, steps; /* steps 0: as many as the epochs have */
    int32_t cutoff;       /* tokens of an example at most */
    bool train_on_prompt, group_by_length;
} pare_lora_recipe;

/* The constants of the released script. */
pare_lora_recipe pare_lora_recipe_published(void);

#endif
