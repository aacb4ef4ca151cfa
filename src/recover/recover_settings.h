/* What a recovery is run with: the caller's options over those of a preset. */
#ifndef PARE_RECOVER_RECOVER_SETTINGS_H
#define PARE_RECOVER_RECOVER_SETTINGS_H

#include "text/examples.h"
#include "train/trained.h"

/* Published settings; docs/methods.md has the sources. */
typedef struct pare_recover_preset {
    const char *name, *summary;
    double rate, epochs;
    uint32_t batch, cutoff, warmup;
    bool train_on_prompt, group_by_length;
} pare_recover_preset;

/* NULL: "paper". NULL if there is none of that name. */
const pare_recover_preset *pare_recover_preset_find(const char *name);

typedef struct pare_recover_settings {
    const pare_recover_preset *preset;
    size_t wording; /* pare_template_name */
    uint32_t cutoff;
    bool train_on_prompt, pack, group_by_length;
    bool full, fresh, keep_sparsity;
    pare_lora_options lora;
    double rate, epochs, clip, weight_decay, beta1, beta2, epsilon;
    uint32_t batch, micro_batch;
    uint64_t steps;         /* 0: by epochs, until the data are read */
    uint64_t warmup, decay; /* of the given ones, until the data are read */
    uint64_t validation;    /* likewise */
    uint32_t validate_every, save_every;
    uint32_t window; /* tokens, of the evaluation */
} pare_recover_settings;

/* The options over the preset, before a model is known; refuses what makes no sense for any. */
pare_status pare_recover_choose(const pare_recover_options *options, pare_recover_settings *out);
/* The same for a model; refuses what makes no sense for it. */
pare_status pare_recover_resolve(const pare_model *model, const pare_recover_options *options,
                                 pare_recover_settings *out);

/* Once it is known how many examples there are: how many of them are held out. */
void pare_recover_settle_validation(const pare_recover_options *options, size_t examples, pare_recover_settings *s);
/* Once it is known how many steps an epoch has: all steps, and those of the rise and the fall of the rate. */
pare_status pare_recover_settle_steps(const pare_recover_options *options, uint64_t steps_per_epoch,
                                      pare_recover_settings *s);

#endif
