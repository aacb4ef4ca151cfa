/* Training and pruning, from the first step to what is left. */
#include "prune/loraprune.h"
#include "prune/prune_job.h"
#include "select/gradual.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "train/run.h"

#include <math.h>

static pare_status clipped(void *context, uint64_t step, pare_trained *trained) {
    pare_prune_job *job = context;
    (void)trained;
    PARE_TRY(pare_lora_units_score(job));
    return pare_lora_units_prune(job, step);
}

static pare_status save(void *context, FILE *file) {
    return pare_lora_units_save(context, file);
}

static pare_status load(void *context, FILE *file) {
    return pare_lora_units_load(context, file);
}

/* Progress is kept whenever the masks may have changed. */
static pare_status run_steps(pare_prune_job *job, pare_trainer *trainer) {
    const pare_prune_progress *progress = job->progress;
    pare_training_run run = {.save_every = (uint64_t)job->asked->recipe.lora.every,
                             .state = progress ? progress->training : NULL,
                             .key = progress ? progress->resume.key : NULL};
    pare_status status = pare_training_run_steps(trainer, &run);
    if (status == PARE_NUMERIC_ERROR)
        return pare_fail(status,
                         "the loss or its gradient is not a number in step %llu of training: give a --train-rate below "
                         "%g",
                         (unsigned long long)trainer->steps_done + 1, job->asked->recipe.lora.rate);
    PARE_TRY(status);
    return pare_lora_units_prune(job, job->lora->steps);
}

/* One for every change of the masks, and the last. */
static pare_status note_losses(pare_prune_job *job, const pare_curve *curve) {
    uint64_t every = (uint64_t)job->asked->recipe.lora.every;
    pare_loraprune *lora = job->lora;
    PARE_TRY(pare_alloc(&lora->losses, curve->count, sizeof *lora->losses, "losses"));
    for (size_t i = 0; i < curve->count; i++) {
        const pare_curve_point *p = &curve->list[i];
        if ((p->step - 1) % every && i + 1 < curve->count) continue;
        lora->losses[lora->loss_count++] = (pare_step_value){p->step, p->loss};
    }
    return PARE_OK;
}

static pare_status train(void *context) {
    pare_prune_job *job = context;
    pare_loraprune *lora = job->lora;
    pare_trainer trainer;
    lora->training.kept = job->progress != NULL;
    lora->training.clipped = clipped;
    lora->training.save = save;
    lora->training.load = load;
    lora->training.context = job;
    PARE_TRY(pare_trainer_new(lora->trained, lora->batches, &lora->training, job->runtime, &trainer));
    pare_status status = run_steps(job, &trainer);
    if (status == PARE_OK) status = note_losses(job, &trainer.curve);
    pare_trainer_free(&trainer);
    return status;
}

/* The masks as a selection; the moving average as the run's scores. */
static pare_status select_units(void *context) {
    pare_prune_job *job = context;
    const pare_config *c = &job->model->config;
    pare_lora_units *u = &job->lora->units;
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, c->layers, sizeof *widths, "widths"));
    for (uint32_t i = 0; i < c->layers; i++) {
        widths[i] = (pare_widths){.kv_heads = pare_count_kept(u->kept.heads[i], c->widths[i].kv_heads),
                                  .ffn = pare_count_kept(u->kept.ffn[i], c->widths[i].ffn)};
        widths[i].heads = widths[i].kv_heads * pare_widths_shared(&c->widths[i]);
    }
    pare_status status = pare_select_at_widths(job->model, &u->kept, widths, false, &job->selection);
    pare_free(widths);
    pare_score_result scores = {.scores = u->scores, .loss = NAN};
    return status == PARE_OK ? pare_score_copy(job->model, &scores, &job->result) : status;
}

pare_status pare_loraprune_run(pare_prune_job *job) {
    PARE_TRY(pare_run_stage(&job->run, "training and pruning", train, job));
    PARE_TRY(pare_run_stage(&job->run, "selecting", select_units, job));
    PARE_TRY(pare_run_stage(&job->run, "merging", pare_loraprune_merge, job));
    return pare_prune_compose(job);
}

/* Of the first layer that is pruned; ratios: room for one a step. Returns how many there are. */
static size_t list_ratios(const pare_prune_job *job, pare_step_value *ratios) {
    const pare_layer_range ffn = job->target.ffn, attention = job->target.attention;
    bool channels = ffn.begin < ffn.end;
    uint32_t layer = channels ? ffn.begin : attention.begin;
    const pare_widths *w = &job->model->config.widths[layer], *goal = &job->goal.widths[layer];
    uint32_t units = channels ? w->ffn : w->kv_heads, kept = channels ? goal->ffn : goal->kv_heads, before = 0;
    size_t count = 0;
    for (uint64_t step = 0; step <= job->lora->steps; step++) {
        uint32_t gone = pare_loraprune_gone(job, layer, step, units, kept);
        if (gone <= before) continue;
        ratios[count++] = (pare_step_value){step, (double)gone / (double)units};
        before = gone;
    }
    return count;
}

json_t *pare_loraprune_json(const pare_prune_job *job) {
    const pare_loraprune *lora = job->lora;
    pare_step_value *ratios;
    if (pare_alloc(&ratios, lora->steps + 1, sizeof *ratios, "ratios") != PARE_OK) return pare_json_lost();
    pare_loraprune_results results = {.steps = lora->steps,
                                      .examples = lora->examples.count,
                                      .shortened = lora->examples.shortened,
                                      .left_out = lora->examples.dropped,
                                      .parameters = lora->trained->count,
                                      .scores_skipped = lora->units.skipped,
                                      .ratios = ratios,
                                      .ratio_count = list_ratios(job, ratios),
                                      .losses = lora->losses,
                                      .loss_count = lora->loss_count};
    json_t *json = pare_report_loraprune(&results);
    pare_free(ratios);
    return json;
}

static bool applies(const pare_job *asked) {
    return pare_recipe_trains(&asked->recipe);
}

/* LoRAPrune leaves the first layers and the last one alone unless it is told which ones to prune. */
static pare_status spare_layers(pare_prune_job *job) {
    const pare_job_target *o = &job->asked->target;
    if (o->layers.given) return PARE_OK;
    pare_layer_range range = pare_loraprune_layers(job->model->config.layers);
    if (!o->attention.given) job->target.attention = range;
    if (!o->ffn.given) job->target.ffn = range;
    if (range.begin < range.end || o->attention.given || o->ffn.given) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s leaves the last layer alone, and the model has no other: name the layers "
                     "that it shall prune with --layers",
                     job->asked->recipe.name);
}

static pare_status choose_target(pare_prune_job *job) {
    PARE_TRY(pare_units_choose_target(job));
    PARE_TRY(spare_layers(job));
    return pare_units_set_goal(job);
}

static pare_status choose_data(pare_prune_job *job) {
    job->calibration = job->asked->calibration.of;
    PARE_TRY(pare_loraprune_check(job));
    return pare_calibration_check_source(job->model, "--calib", job->calibration.source);
}

static void record(const pare_prune_job *job, pare_record *out) {
    out->sequences = (uint32_t)job->lora->examples.count;
    out->length = job->lora->cutoff;
}

static void release(pare_prune_job *job) {
    pare_loraprune_free(job->lora);
}

const pare_procedure pare_training = {.recorded = true,
                                      .member = "training",
                                      .applies = applies,
                                      .choose_target = choose_target,
                                      .choose_data = choose_data,
                                      .calibrate = pare_loraprune_read,
                                      .plan = pare_loraprune_plan,
                                      .run = pare_loraprune_run,
                                      .recipe = pare_prune_recipe_json,
                                      .record = record,
                                      .report = pare_loraprune_json,
                                      .release = release};
