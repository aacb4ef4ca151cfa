/* One pruning run: what its stages hand to each other. */
#ifndef PARE_RECIPE_PRUNE_JOB_H
#define PARE_RECIPE_PRUNE_JOB_H

#include "checkpoint/config_write.h"
#include "checkpoint/output.h"
#include "checkpoint/scan.h"
#include "recipe/score.h"
#include "report/manifest.h"
#include "report/staged.h"
#include "text/corpus.h"

enum { PARE_PRUNE_STAGES = 8 };

typedef struct pare_prune_job {
    const pare_model *model;
    const pare_prune_options *options;
    const pare_runtime *runtime;
    pare_backend *backend;

    pare_recipe recipe;
    pare_target target;
    pare_widths *widths; /* [layers] after */
    pare_config_kind kind;
    char *config; /* config.json of the result */
    pare_output *output;
    pare_calibration_options calibration; /* as given, but with nothing left open for "self" */
    bool calibrated;

    pare_scan scan;
    pare_windows windows; /* calibration */
    char calibration_digest[65];
    pare_calibration_plan plan;
    pare_score_result result;
    pare_selection selection;
    pare_staged scores;

    json_t *texts;   /* [{"file", "before", "after"}] or NULL */
    json_t *seconds; /* {"stage": seconds} */
    json_t *files;   /* names of what was written */
    uint64_t bytes_after;
} pare_prune_job;

/* Tokens per window of the evaluation. */
uint32_t pare_prune_window(const pare_prune_options *options);
/* The first stage: resolves the options, refuses what makes no sense, and opens the output. */
pare_status pare_prune_prepare(pare_prune_job *job);

/* Perplexity of every text before and after (of the dense model with the removed units switched off), into job->texts.
 */
pare_status pare_prune_evaluate_texts(pare_prune_job *job);

/* The run's report (see pare_prune). */
pare_status pare_prune_report(const pare_prune_job *job, char **text);
/* What pruning.json and the report share. recipe: borrowed. */
pare_record pare_prune_record(const pare_prune_job *job, json_t *recipe);

#endif
