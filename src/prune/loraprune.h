/* The part of a pruning run that prunes while LoRA trains (LoRAPrune, Zhang et al. 2023): every step trains adapters
 * beside the frozen weights, scores the units by the factors' gradients, and now and then switches more of them off; at
 * the end the adapters are merged into what is left.
 *
 * In a step, after the gradient was clipped and before the optimiser uses it:
 *   S <- average S + (1 - average) new scores                     (not where one of the new is not a number)
 *   every `every` steps, between warm-up and cool-down: the units with the lowest S go, as many as the schedule says
 *   in the cool-down: as many as were asked for (unless final_cut is "released") */
#ifndef PARE_PRUNE_LORAPRUNE_H
#define PARE_PRUNE_LORAPRUNE_H

#include "method/recipe.h"
#include "report/loraprune.h"
#include "select/selection.h"
#include "support/json.h"
#include "train/trainer.h"

struct pare_prune_job;

/* What is known of the units, and what the passes see of it. */
typedef struct pare_lora_units {
    pare_unit_scores scores, fresh, kept; /* moving average; of the step; 1 or 0. heads and ffn alone count */
    float **keep;                         /* [tensor_count] factors of the adapters' outputs, NULL: all ones */
    uint64_t skipped;                     /* steps whose scores were not numbers */
} pare_lora_units;

typedef struct pare_loraprune {
    pare_examples examples;
    pare_batches *batches;
    pare_trained *trained;
    pare_trainer_options training;
    pare_lora_units units;
    uint32_t cutoff; /* tokens of an example, at most as many as the model has positions */
    uint64_t steps;
    const char *chat;        /* the format that chats are in, or NULL */
    pare_step_value *losses; /* [loss_count] */
    size_t loss_count;
} pare_loraprune;

/* Before any work: refuses what makes no sense for such a run. */
pare_status pare_loraprune_check(const struct pare_prune_job *job);
/* The layers that are pruned where none were named: all but the first tenth and the last one. */
pare_layer_range pare_loraprune_layers(uint32_t layers);

/* Reads the examples into job->lora, and makes and shows the plan. */
pare_status pare_loraprune_read(struct pare_prune_job *job);
/* Adds to job->plan what the run will hold. */
pare_status pare_loraprune_plan(struct pare_prune_job *job);
/* The whole of it: fills job->selection, job->repaired and job->result. */
pare_status pare_loraprune_run(struct pare_prune_job *job);
/* What the reports say of it; a new reference. */
json_t *pare_loraprune_json(const struct pare_prune_job *job);
void pare_loraprune_free(pare_loraprune *lora);

/* Of `units` of a layer of which `kept` are to be left: how many are gone at step `step` at the latest. */
uint32_t pare_loraprune_gone(const struct pare_prune_job *job, uint32_t layer, uint64_t step, uint32_t units,
                             uint32_t kept);
/* widths: [layers] that are left at the end. */
void pare_loraprune_widths(const struct pare_prune_job *job, pare_widths *widths);

/* loraprune_units.c */
pare_status pare_lora_units_new(const struct pare_prune_job *job, pare_lora_units *out);
void pare_lora_units_free(const pare_model *model, pare_lora_units *units);
/* New scores from the factors and their gradients, into the moving average. */
pare_status pare_lora_units_score(struct pare_prune_job *job);
/* Switches off what step `step` says; step == job->lora->steps: what the end says. */
pare_status pare_lora_units_prune(struct pare_prune_job *job, uint64_t step);
/* What a checkpoint holds of them. */
pare_status pare_lora_units_save(const struct pare_prune_job *job, FILE *file);
pare_status pare_lora_units_load(struct pare_prune_job *job, FILE *file);

/* The kept rows and columns of every matrix that training changed, with the adapters' product added, into
 * job->repaired. */
pare_status pare_loraprune_merge(void *job);

#endif
