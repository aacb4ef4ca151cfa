/* One pruning run: what its stages hand to each other. */
#ifndef PARE_PRUNE_PRUNE_JOB_H
#define PARE_PRUNE_PRUNE_JOB_H

#include "calibrate/input_norms.h"
#include "checkpoint/scan.h"
#include "evaluate/expected.h"
#include "layerwise/expert_repair.h"
#include "layerwise/units.h"
#include "model/config_write.h"
#include "prune/loraprune.h"
#include "prune/procedure.h"
#include "prune/prune_progress.h"
#include "prune/sparse.h"
#include "report/manifest.h"
#include "report/ranks.h"
#include "run/run.h"
#include "score/cache.h"
#include "score/score.h"
#include "search/unit_widths.h"
#include "surgery/staged_model.h"
#include "text/corpus.h"

/* What a run is handed instead of making it itself; all zero: nothing. Borrowed. */
typedef struct pare_prune_given {
    const pare_windows *calibration; /* with a batch for every step where the protocol draws one */
    const pare_windows *texts;       /* [text_count] of the evaluation */
    bool projections;                /* scores of each projection by itself are wanted in `result` */
} pare_prune_given;

/* What of the memory plan is of use while it is made. */
typedef struct pare_prune_planned {
    uint64_t in_file;  /* bytes of what goes layer by layer, plan.sizes.repair, that are in scratch files */
    uint64_t repaired; /* in memory that what is repaired will take until the end of the round */
} pare_prune_planned;

/* Times of halves, and what comes of them. */
typedef struct pare_prune_latency {
    pare_width_costs costs;
    json_t *report; /* {"share", "table", "expected", "measured"}; or NULL */
} pare_prune_latency;

typedef struct pare_prune_job {
    pare_run run;
    pare_prune_given given;
    const pare_model *model;
    const pare_model *origin;      /* what was named: `model`, unless whole layers were dropped from it first, or it got
                                      biases */
    const pare_selection *dropped; /* these, from `origin`; or NULL */
    const pare_selection *drops;   /* whole layers of `model` that go, and nothing else; or NULL */
    const pare_job *asked;
    const pare_runtime *runtime;
    pare_backend *backend;

    const pare_procedure *procedure;
    pare_target target;
    pare_goal goal;                       /* of the last round */
    pare_prune_latency latency;           /* where the target is one of time */
    pare_calibration_options calibration; /* as asked, but with nothing left open for "self" */

    pare_scan scan;
    pare_windows windows;   /* calibration; with a batch for every step where the protocol draws one */
    pare_input_norms norms; /* of an importance matrix that was given in place of text; no layers: none was */
    bool imatrix_later;     /* an importance matrix is made by what comes behind this run */
    uint32_t norms_chunks, norms_length; /* sequences and their tokens that it was made of; 0: it does not say */
    char calibration_digest[65];
    pare_calibration_plan plan;
    pare_prune_planned planned;
    pare_expected expected; /* of all rounds, made with the first plan that is shown */

    pare_prune_progress *progress; /* beside the output; NULL: none is kept */
    uint32_t round;
    const pare_model *current;          /* what this round starts from: `model`, or what the last round left */
    pare_temporary_model biased;        /* that holds `model` where it got biases */
    pare_temporary_model temporary;     /* that holds `current` after the first round */
    pare_score_result result;           /* of this round */
    pare_selection selection, composed; /* of this round, from `current`; of all rounds, from `model` */
    pare_selection whole;               /* with `dropped`: composed, from `origin` */
    pare_repaired repaired;             /* of this round */
    json_t *rebuilt;                    /* per layer and stage: errors before and after reconstruction; or NULL */
    pare_expert_load load;              /* of the model, where experts were scored; no layers: it is none */
    pare_expert_groups groups;          /* of this round, where experts are merged */
    pare_expert_load groups_load;       /* of the model that they are of */
    json_t *experts;                    /* which tokens reach which, before and after; or NULL */
    json_t *search;                     /* what a search of widths found; or NULL */
    json_t *repairs;                    /* per layer and stage: errors before and after; or NULL */
    pare_sparse sparse;                 /* in element mode */
    pare_loraprune *lora;               /* where LoRA trains meanwhile; or NULL */

    pare_config_kind kind;
    pare_text_pair *texts; /* [text_count]; or NULL */
    json_t *traces;        /* of every round */
    pare_rank_cost *ranks; /* [rank_count] that shared the work */
    size_t rank_count;
} pare_prune_job;

/* A run from the inside, for callers that read its results from the job: begin, then (with job->given filled, if
 * anything is given) run, or calibrate alone; end in any case. The model, what was asked and runtime must live as
 * long. */
pare_status pare_prune_begin(const pare_model *model, const pare_job *asked, const pare_runtime *runtime,
                             pare_prune_job *job);
/* The first stages: everything that is checked, the calibration windows, and the memory plan. */
pare_status pare_prune_calibrate(pare_prune_job *job);
/* All stages, up to results that are written but not in place. Leaves the last round's scores in job->result, the whole
 * selection in job->composed. */
pare_status pare_prune_run(pare_prune_job *job);
void pare_prune_end(pare_prune_job *job);
/* What comes behind a run, and goes on from it. */
typedef struct pare_prune_heir {
    pare_run *run;                 /* adopts the files beside the model */
    char digest[PARE_DIGEST_TEXT]; /* gets that of the weights that were pruned */
    pare_windows *windows;         /* gets the calibration text, for an importance matrix; NULL: it makes none */
} pare_prune_heir;

/* Runs a job that has begun, reports, and ends it. heir: NULL if nothing comes behind it. */
pare_status pare_prune_finish(pare_prune_job *job, pare_prune_heir *heir, char **report);
/* The whole job but for a recovery, likewise (prune_drop.c). */
pare_status pare_prune_for(pare_prune_heir *heir, const pare_model *model, const pare_job *asked,
                           const pare_runtime *runtime, char **report);
/* The whole of it with the recovery that was asked for (prune_recover.c). */
pare_status pare_prune_recovered(const pare_model *model, const pare_job *asked, const pare_runtime *runtime,
                                 char **report);
/* Whether the model will do, for a job that writes nothing; and for one that drops layers by name. */
pare_status pare_prune_try(const pare_model *model, const pare_job *asked);
pare_status pare_prune_try_dropped(const pare_model *model, const pare_job *asked);
/* All that is kept, from `origin`. */
const pare_selection *pare_prune_selection(const pare_prune_job *job);

/* Whether all that the job names could be written; nothing of it is left. */
pare_status pare_prune_check_output(const pare_model *model, const pare_job *asked, const pare_runtime *runtime);
/* The first stage: refuses what makes no sense for the model, and opens the output. */
pare_status pare_prune_prepare(void *job);

/* The target of this round: in layer mode its ranges shrink with the model. */
pare_target pare_prune_round_target(const pare_prune_job *job);
/* What scoring the model of this round asks for. */
pare_score_request pare_prune_score_request(const pare_prune_job *job);
/* Parts of several procedures: the target of units (what is asked and where; then, with the layers settled, the goal);
 * the target's ranges alone; windows that calibration text is cut into, chosen, and read with the plan, or written by
 * the model behind it; and a selection that follows those of the rounds before. */
pare_status pare_units_choose_target(pare_prune_job *job);
pare_status pare_units_set_goal(pare_prune_job *job);
/* Measures or reads the times that the target goes by, if it does (prune_latency.c); and what the widths that were
 * found come to, by them and in truth. */
pare_status pare_prune_find_latency(pare_prune_job *job);
pare_status pare_prune_judge_latency(pare_prune_job *job, const pare_widths *widths);
/* Refuses what no class that knows the family could load (family_check.c). */
pare_status pare_prune_check_family(const pare_prune_job *job);
/* What does not reach models with experts, or the inside of experts (expert_check.c). */
pare_status pare_prune_check_inside(const pare_prune_job *job);
/* Refuses a GGUF file that could not hold the layers that the target leaves (gguf_fit.c). */
pare_status pare_prune_check_gguf(const pare_prune_job *job);
pare_status pare_prune_choose_target(pare_prune_job *job);
/* Refuses a compensation by biases that no class holds (prune_biases.c); and where the model itself lacks them, puts
 * one that has them in its place. */
pare_status pare_prune_check_biases(const pare_prune_job *job);
pare_status pare_prune_give_biases(pare_prune_job *job);
pare_status pare_windows_choose(pare_prune_job *job);
pare_status pare_windows_calibrate(pare_prune_job *job);
pare_status pare_windows_write(pare_prune_job *job);
pare_status pare_prune_compose(pare_prune_job *job);

/* All rounds of scoring, selecting and repairing; leaves the last round's selection, relative to job->current. */
pare_status pare_prune_rounds(pare_prune_job *job);
/* Rows [first, first + rows) of a tensor as they are to be kept, float [rows, columns]. */
typedef pare_status pare_merged_fn(const void *context, size_t id, int64_t first, int64_t rows, float *out);
/* Bytes of all matrices at these widths, or of O and Down alone (writers), as job->repaired holds them; whether that is
 * in a scratch file; and room there for what is kept of them. */
uint64_t pare_prune_merged_bytes(const pare_model *model, const pare_widths *widths, bool writers);
bool pare_prune_merges_in_file(const pare_prune_job *job, uint64_t bytes);
pare_status pare_prune_merge_begin(pare_prune_job *job, bool writers);
/* The kept rows and columns of job->current's tensor into job->repaired, which has room for them. */
pare_status pare_prune_merge(pare_prune_job *job, size_t id, pare_merged_fn *rows_of, const void *context);
/* Where gates were learnt and no repair follows: O and Down with the kept units' gates in their columns, into
 * job->repaired; and adds what that will hold to job->plan (prune_fold.c). */
pare_status pare_prune_fold(void *job);
pare_status pare_prune_plan_fold(pare_prune_job *job);

/* Chooses by OBS and repairs, where the recipe says so: changes job->selection, fills job->repaired. Stages of their
 * own: "feeling outputs", "searching", "repairing". */
pare_status pare_prune_repair(pare_prune_job *job);
/* Of a search (prune_search.c): how many of the calibration sequences it measures by, the last ones; refused where
 * there would be no others; these of all; and what was found, into job->search. */
int64_t pare_prune_held_out(int64_t sequences);
pare_status pare_prune_check_held_out(int64_t sequences);
pare_candidate_windows pare_prune_search_windows(const pare_prune_job *job, const uint32_t *ids, int64_t sequences,
                                                 int64_t length, uint64_t limit);
void pare_prune_found(pare_prune_job *job, const pare_search_found *found, int64_t sequences);
/* Where the recipe searches: widths [layers], in, where it begins, out, what it found; repair: how units are chosen.
 * And adds what it will hold to job->plan. */
pare_status pare_prune_search(pare_prune_job *job, const pare_repair_job *repair, pare_widths *widths);
pare_status pare_prune_search_plan(pare_prune_job *job, const pare_repair_job *repair, const pare_selection *sizes);
/* True if widths go by what units cost in a walk that only measures. */
bool pare_prune_widths_cost(const pare_prune_job *job);
/* How the loss feels the outputs of `source`, over job->current: *own, or what job's cache has or takes. limit: bytes
 * that there are for them and the pass; felt: the name that it is kept under with --resume. */
pare_status pare_prune_feel_outputs(pare_prune_job *job, const char *felt, const pare_source *source, uint64_t limit,
                                    pare_output_fisher *own, const pare_output_fisher **out);
/* What that pass will hold beside the metrics, of `limit` bytes, and has to do, `times` times. */
pare_status pare_prune_plan_feeling(pare_prune_job *job, uint64_t limit, double times, pare_pass_memory *pass);
/* The pass that holds most is this one. */
void pare_prune_plan_pass(pare_prune_job *job, const pare_pass_memory *pass);
/* Trains what is left, half a block after the other, where the recipe says so (prune_reconstruct.c): changes
 * job->repaired; and adds what that will hold to job->plan. */
pare_status pare_prune_reconstruct(void *job);
pare_status pare_prune_plan_reconstruct(pare_prune_job *job);
/* Whether whole experts are scored by their weights, which counts no tokens (prune_weighed_experts.c): then the tensors
 * whose elements are scored [tensor_count], NULL otherwise; and what scores take beside the pass, added to job->plan,
 * just made. */
bool pare_prune_weighs_experts(const pare_prune_job *job);
pare_status pare_prune_scored_experts(const pare_prune_job *job, const pare_target *target, bool **scored);
void pare_prune_plan_scored_experts(pare_prune_job *job);
/* Counts the tokens that reach each of such experts, into the first round's result (prune_experts.c). */
pare_status pare_prune_count_tokens(pare_prune_job *job);
/* Of experts (prune_experts.c): keeps the first round's load; a stage that measures that of what is left, into
 * job->experts; and adds what that will hold to job->plan. */
pare_status pare_prune_keep_load(pare_prune_job *job);
/* Their numbers, for who takes the run up: [layers, experts], or nothing; and back. sound: they may be a run's. */
json_t *pare_prune_load_json(const pare_prune_job *job);
pare_status pare_prune_load_take(pare_prune_job *job, const json_t *tokens, bool *sound);
pare_status pare_prune_follow_tokens(pare_prune_job *job);
pare_status pare_prune_plan_experts(pare_prune_job *job);
/* Where experts are merged (prune_expert_repair.c): changes job->selection, which is there, to one of each group, and
 * fills job->groups. Merges and repairs experts, where the recipe says so: fills job->repaired. What that adds to
 * job->plan. */
pare_status pare_prune_group_experts(pare_prune_job *job, const pare_goal *goal);
pare_status pare_prune_repair_experts(pare_prune_job *job);
pare_status pare_prune_plan_repair_experts(pare_prune_job *job);
void pare_prune_groups_free(pare_prune_job *job);
/* Frees what belongs to one round. */
void pare_prune_round_free(pare_prune_job *job);
/* Adds what the repair will hold to job->plan. */
pare_status pare_prune_plan_repair(pare_prune_job *job);
pare_repair_options pare_prune_repair_options(const pare_recipe *recipe);
/* A walk that repairs, or measures; with --resume its layers are kept under that name. */
typedef struct pare_repair_walk {
    pare_repair_job job;
    pare_selection *selection;
    pare_repaired *repaired;
    pare_stage_fit (*fits)[PARE_STAGES];
} pare_repair_walk;
pare_status pare_prune_repair_walk(const pare_prune_job *job, const char *name, pare_repair_walk *walk);
/* Makes job->plan for job->current; announced: and shows it. */
pare_status pare_prune_plan(pare_prune_job *job, uint32_t sequences, uint32_t length, bool announced);
/* Stages that go layer by layer hold their memory one after the other: the plan has that of whichever holds more. */
void pare_prune_plan_stage(pare_prune_job *job, uint64_t bytes, uint64_t in_file);
/* Adds a scratch file that is there beside them. */
void pare_prune_plan_file(pare_prune_job *job, uint64_t bytes);
/* The one of them that leaves job->repaired. */
void pare_prune_plan_walk(pare_prune_job *job, const pare_layerwise_memory *walk);

/* Adds what a stage has to do to job->expected, `times` times; plans of later rounds add nothing (plan_times.c). */
void pare_prune_plan_work(pare_prune_job *job, const char *stage, const pare_work *work, double times);
/* Adds the stages that are the same whatever prunes, and finds the times of all. */
pare_status pare_prune_plan_times(pare_prune_job *job);

/* Perplexity of every text before and after (of the current model with the removed units switched off), into
 * job->texts.
 */
pare_status pare_prune_evaluate_texts(void *job);

/* Importance matrices (prune_imatrix.c). One in place of calibration text: into job->norms; refused if it is of another
 * model. One of what is left: refused if no GGUF file can hold the model, or its text is none; its part of the plan;
 * the windows, which are read if the method reads none (free with pare_windows_free); and a stage that writes it. */
pare_windows pare_prune_imatrix_shape(const pare_prune_job *job); /* as far as the plan knows: count and length alone */
pare_status pare_prune_imatrix_read(pare_prune_job *job);
pare_status pare_prune_imatrix_check(const pare_prune_job *job);
pare_status pare_prune_plan_imatrix(pare_prune_job *job);
pare_status pare_prune_imatrix_windows(const pare_prune_job *job, pare_windows *windows);
const char *pare_prune_imatrix_source(const pare_job *asked); /* of the text, as the file calls it */
pare_status pare_prune_imatrix(void *job);

/* The windows of text `index` of the evaluation; free with pare_windows_free. */
pare_status pare_prune_text_windows(const pare_prune_job *job, size_t index, pare_windows *windows);

/* The run's report (see pare_prune). */
pare_status pare_prune_report(const pare_prune_job *job, char **text);
/* The recipe of a method as a report has it; a new reference. */
json_t *pare_prune_recipe_json(const pare_prune_job *job);
/* What pruning.json and the report share. recipe: borrowed. */
pare_record pare_prune_record(const pare_prune_job *job, json_t *recipe);

#endif
