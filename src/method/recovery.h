/* What a recovery is to do: the options of pare_recover over those of a preset, read once (options/resolve.h). What
 * only a model or data can settle is settled by recover/recovery_fit.h. Strings and lists are the caller's. */
#ifndef PARE_METHOD_RECOVERY_H
#define PARE_METHOD_RECOVERY_H

#include "run/card.h"
#include "run/page.h"
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

typedef struct pare_recovery {
    const pare_recover_preset *preset;
    const char *data, *field; /* what is trained on, or the first file of several; field NULL: the usual one */
    const pare_training_source *sources; /* [source_count] in place of data, or NULL */
    size_t source_count;
    const char *calibration, *calibration_field; /* text that has a share of every batch; or NULL */
    bool calibration_implied;                    /* by a pruning that read it, and not named for the training */
    double calibration_share;                    /* 0: none */
    uint32_t limit;                              /* rows; 0: all */
    size_t wording;                              /* pare_template_name */
    uint32_t cutoff;
    bool cutoff_given; /* a model with fewer positions is refused, in place of shortening it */
    bool train_on_prompt, pack, group_by_length;
    bool full, fresh, keep_sparsity;
    pare_lora_options lora;
    const char *teacher;       /* a model's folder; NULL: none */
    bool teacher_is_dense;     /* behind a pruning: the model that was pruned teaches */
    const char *teacher_cache; /* file of what it says; NULL: it is asked in every step */
    double ce, kd;             /* what labels and the teacher are worth */
    double rate, epochs, clip, weight_decay, beta1, beta2, epsilon;
    uint32_t batch, micro_batch;
    int64_t asked_validation, asked_warmup, asked_decay; /* negative: as many as the data allow */
    uint64_t steps;                                      /* 0: by epochs, until the data are read */
    uint64_t validation, warmup, decay;                  /* once the data are read */
    uint32_t validate_every, save_every;
    uint64_t seed;

    const char *output, *type; /* type: of a GGUF file's numbers; or NULL */
    bool adapter, force, resume;
    bool remote_code;   /* as pare_job_outputs has it */
    const char *curve;  /* prefix of its files; NULL: in the output */
    pare_page_job page; /* of the report */
    pare_card_job card; /* of the output */
    const char *const *texts;
    size_t text_count;
    uint32_t window, max_windows; /* of the evaluation; max_windows 0: all */
    uint32_t continuations;       /* texts to be written on; 0: none */
} pare_recovery;

/* The files of a recovery: at index 0 .. count - 1, the calibration text last. Their shares sum to 1. */
typedef struct pare_recovery_source {
    const char *option, *path;
    double share;
    bool calibration;
} pare_recovery_source;

size_t pare_recovery_sources(const pare_recovery *recovery);
pare_recovery_source pare_recovery_source_at(const pare_recovery *recovery, size_t index);

#endif
