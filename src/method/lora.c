#include "method/lora.h"

pare_lora_recipe pare_lora_recipe_published(void) {
    return (pare_lora_recipe){.average = 0.9,
                              .warmup = 0.1,
                              .cooldown = 0.1,
                              .every = 10,
                              .rank = 8,
                              .alpha = 16.0,
                              .dropout = 0.05,
                              .rate = 1e-4,
                              .epochs = 2.0,
                              .clip = 1.0,
                              .batch = 128,
                              .cutoff = 512,
                              .train_on_prompt = true,
                              .group_by_length = true};
}
