#include "method/recovery.h"

#include <string.h>

/* LLM-Pruner's and MoreauPruner's published runs; the defaults of LLM-Pruner's program; LoRAPrune's script. */
static const pare_recover_preset presets[] = {
    {.name = "paper",
     .summary = "LLM-Pruner and MoreauPruner on Alpaca: rate 1e-4, batch 64, 2 epochs",
     .rate = 1e-4,
     .epochs = 2,
     .batch = 64,
     .cutoff = 256,
     .warmup = 100},
    {.name = "lamini",
     .summary = "the same on LaMini: rate 5e-5, batch 64, 3 epochs",
     .rate = 5e-5,
     .epochs = 3,
     .batch = 64,
     .cutoff = 256,
     .warmup = 100},
    {.name = "llm-pruner",
     .summary = "the defaults of LLM-Pruner's program: rate 3e-4, batch 128, 5 epochs",
     .rate = 3e-4,
     .epochs = 5,
     .batch = 128,
     .cutoff = 256,
     .warmup = 100},
    {.name = "loraprune",
     .summary = "LoRAPrune's script: rate 1e-4, batch 128, 2 epochs, 512 tokens, prompts are learnt, too, no warm-up",
     .rate = 1e-4,
     .epochs = 2,
     .batch = 128,
     .cutoff = 512,
     .train_on_prompt = true,
     .group_by_length = true},
};

enum { PRESETS = sizeof presets / sizeof *presets };

const pare_recover_preset *pare_recover_preset_find(const char *name) {
    if (!name) return &presets[0];
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0) return &presets[i];
    return NULL;
}

const char *pare_recover_preset_name(size_t index) {
    return index < PRESETS ? presets[index].name : NULL;
}

const char *pare_recover_preset_summary(size_t index) {
    return index < PRESETS ? presets[index].summary : NULL;
}
