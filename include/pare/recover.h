/* SPDX-License-Identifier: Apache-2.0
 *
 * Part of pare.h, which is what programs include. Training what is left, and merging what was trained. */
#ifndef PARE_RECOVER_H
#define PARE_RECOVER_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- recovery -------------------------------------------------------------------------------------------------- */

/* Named settings of published recoveries, NULL after the last: "paper" (LLM-Pruner and MoreauPruner on Alpaca),
 * "lamini" (the same on LaMini), "llm-pruner" (its program's own defaults), "loraprune". */
PARE_API const char *pare_recover_preset_name(size_t index);
PARE_API const char *pare_recover_preset_summary(size_t index);

/* How instructions and chats are worded, NULL after the last: "auto" (chats as the model's chat template has them, if
 * it has one, all else as in Alpaca), "alpaca", "none", and a name for each chat format. */
PARE_API const char *pare_wording_name(size_t index);

/* One of several files to train on. */
typedef struct pare_training_source {
    const char *path;
    double weight; /* above 0: its share is this over the sum of all */
} pare_training_source;

/* What is 0, or negative where zero means something, is the preset's. */
typedef struct pare_recover_options {
    size_t size;         /* of the struct, as its _INIT has it; or 0 */
    const char *preset;  /* NULL: "paper" */
    const char *data;    /* what to train on: rows of JSON, or text (docs/recovery.md lists the kinds of rows) */
    const char *field;   /* the text's key in rows of plain text; NULL: "text" */
    const char *wording; /* pare_wording_name; NULL: "auto" */
    uint32_t limit;      /* only the first so many rows; 0: all */
    uint32_t cutoff;     /* most tokens of an example */
    int train_on_prompt; /* 1: yes; -1: no */
    int group_by_length; /* likewise: examples of like length in one step */
    bool pack;           /* a step is `batch` sequences of `cutoff` tokens full of examples */

    bool full;          /* all weights instead of LoRA */
    bool fresh;         /* with full: from random weights */
    bool keep_sparsity; /* weights that are zero stay zero */
    uint32_t rank;
    double alpha;
    double dropout;             /* negative: the preset's; 0: none */
    const char *const *targets; /* modules with adapters ("q_proj", ...), of experts too; NULL: all seven */
    size_t target_count;

    /* Folder of a model that predicts the same, as a rule the one that was pruned: training goes towards its
     * distribution, too. In pare_prune "dense" is the model that is pruned. NULL: none */
    const char *teacher;
    /* File of what the teacher says of each prediction: 96 or 48 draws out of its distribution, about 200 bytes, in
     * place of a pass in every step. Made where it is not there, else read; NULL: none */
    const char *teacher_cache;
    double ce, kd; /* the loss is ce CE(labels) + kd KL(teacher || model); negative: 1 and 2 */

    double rate;          /* highest learning rate */
    uint32_t batch;       /* examples per step; pack: sequences */
    uint32_t micro_batch; /* sequences at a time; 0: chosen for speed and memory. Changes rounding only */
    double epochs;
    uint64_t steps;      /* instead of epochs; 0: epochs */
    int64_t warmup;      /* steps of the linear rise of the rate; negative: the preset's, but no more than a tenth */
    int64_t decay;       /* steps of its linear fall; negative: all after the warm-up */
    double clip;         /* of the gradient's norm; negative: the preset's; 0: none */
    double weight_decay; /* negative: the preset's */
    double beta1, beta2; /* 0: 0.9, 0.999 */
    int64_t validation;  /* examples held out; negative: the preset's, but no more than a tenth */
    uint32_t validate_every; /* steps */
    uint32_t save_every;     /* steps between checkpoints of a run that may be resumed; 0: the preset's */
    bool resume;             /* keep the progress in OUTPUT.progress, and go on from what is there */
    uint64_t seed;

    const char *output;       /* directory to write, or a GGUF file, OUT.gguf */
    const char *type;         /* of a GGUF file's numbers, as pare_export has it; NULL: f16, or no such file */
    bool adapter;             /* a PEFT adapter instead of a merged model */
    bool force;               /* replace output if it exists */
    const char *curve;        /* prefix of loss curve files (PREFIX.csv, PREFIX.svg); NULL: OUTPUT/loss.csv and .svg */
    const char *const *texts; /* perplexity before and after on each of these, and with a teacher (in pare_prune: in
                                 any case) KL divergence from it and agreement with it; may be NULL */
    size_t text_count;
    uint32_t window, max_windows;  /* of that evaluation; 0: 128, all */
    const pare_page_options *page; /* of the report; NULL: none */
    /* Several files in place of `data`: every batch has examples of each, as many as its weight asks for. An epoch goes
     * once through the first one; the others begin anew, in another order, whenever they are through. NULL: data */
    const pare_training_source *sources;
    size_t source_count;
    /* Text (all kinds that `data` may be of, every token of it learnt, the first 10,000 rows at most) that has a share
     * of every batch, so that what examples teach does not cost the language. In pare_prune it is the calibration text,
     * unless that is "self" or the method trains. NULL: none */
    const char *calib;
    double calib_share;     /* 0 (none) .. below 1, with size 0 also the usual; negative: 0.25 */
    uint32_t continuations; /* texts that are written on before and after, from the beginnings of so many windows of
                               each text (pare_evaluate); 0: none */
    const pare_card_options *card; /* of the output; NULL: as it comes */
    bool remote_code;              /* as pare_prune has it; not of an adapter */
} pare_recover_options;

/* Trains LoRA adapters (or all weights) on a model, streamed block by block, and writes it with what was learnt merged
 * into its weights, or the adapter alone. OUTPUT appears complete or not at all. *report: JSON with settings, losses,
 * perplexities, tokens per second, seconds, files (free with pare_text_free). */
PARE_API pare_status pare_recover(const pare_model *model, const pare_recover_options *options,
                                  const pare_runtime *runtime, char **report);

/* Fails as pare_recover would before any work on options that make no sense. */
PARE_API pare_status pare_recover_check(const pare_model *model, const pare_recover_options *options);

/* *json: what these options come to before a model and data are known: the "preset" and its "summary"; "settings", by
 * the names of pare recover's options, with their values; "uses", options and whether the others leave them a use; and
 * "defaults" that settle themselves later, as text. Fails as pare_recover would on what makes no sense; freed with
 * pare_text_free. */
PARE_API pare_status pare_recover_describe(const pare_recover_options *options, char **json);

typedef struct pare_merge_options {
    size_t size;                   /* of the struct, as its _INIT has it; or 0 */
    const char *adapter;           /* folder of a PEFT LoRA adapter */
    const char *output;            /* directory to write, or a GGUF file, OUT.gguf */
    bool force;                    /* replace output if it exists */
    const pare_card_options *card; /* of the output; NULL: as it comes */
    const char *type;              /* of a GGUF file's numbers, as pare_export has it; NULL: f16, or no such file */
    bool remote_code;              /* as pare_prune has it */
} pare_merge_options;

/* Writes the model with an adapter that was kept apart merged into its weights, as pare_recover would have: W + scale B
 * A, rounded once. OUTPUT appears complete or not at all. *report: JSON with parameters, bytes, how many tensors
 * changed, seconds, files (free with pare_text_free). */
PARE_API pare_status pare_merge(const pare_model *model, const pare_merge_options *options, const pare_runtime *runtime,
                                char **report);

#ifdef __cplusplus
}
#endif

#endif
