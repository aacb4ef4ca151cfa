/* What a run that prunes while it trains is made of, before it starts. */
#include "prune/loraprune.h"
#include "calibrate/calibration.h"
#include "model/companions.h"
#include "prune/prune_job.h"
#include "select/gradual.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"
#include "train/picture_examples.h"

#include <math.h>
#include <string.h>

pare_layer_range pare_loraprune_layers(uint32_t layers) {
    return (pare_layer_range){layers / 10, layers ? layers - 1 : 0};
}

static double largest_ratio(const pare_prune_job *job) {
    double largest = job->goal.ratio;
    for (uint32_t i = 0; job->target.ratios && i < job->model->config.layers; i++)
        largest = i && job->target.ratios[i] < largest ? largest : job->target.ratios[i];
    return largest;
}

pare_status pare_loraprune_check(const pare_prune_job *job) {
    double largest = largest_ratio(job);
    if (job->asked->recipe.lora.init_ratio >= largest)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--init-ratio %g is what the schedule begins with: give less than the "
                         "ratio %g that it ends with",
                         job->asked->recipe.lora.init_ratio, largest);
    return PARE_OK;
}

static pare_cubic_schedule schedule_of(const pare_prune_job *job, uint32_t layer) {
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    double last = job->target.ratios ? job->target.ratios[layer] : job->goal.ratio;
    return (pare_cubic_schedule){.first = fmin(r->init_ratio, last),
                                 .last = last,
                                 .warmup = r->warmup,
                                 .cooldown = r->cooldown,
                                 .total = job->lora->steps};
}

uint32_t pare_loraprune_gone(const pare_prune_job *job, uint32_t layer, uint64_t step, uint32_t units, uint32_t kept) {
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    pare_cubic_schedule schedule = schedule_of(job, layer);
    double ratio = pare_cubic_ratio(&schedule, step);
    uint32_t asked = units - kept;
    if (step >= job->lora->steps || ratio >= schedule.last) return r->released ? 0 : asked;
    if (step % (uint64_t)r->every || ratio <= schedule.first) return 0;
    uint32_t gone = (uint32_t)trunc((double)units * ratio);
    return gone < asked ? gone : asked;
}

static uint32_t left_of(const pare_prune_job *job, uint32_t layer, uint32_t units, uint32_t kept) {
    uint32_t most = 0;
    if (!job->asked->recipe.lora.released) return kept;
    for (uint64_t step = 0; step < job->lora->steps; step += (uint64_t)job->asked->recipe.lora.every) {
        uint32_t gone = pare_loraprune_gone(job, layer, step, units, kept);
        most = gone > most ? gone : most;
    }
    return units - most;
}

void pare_loraprune_widths(const pare_prune_job *job, pare_widths *widths) {
    const pare_config *c = &job->model->config;
    for (uint32_t i = 0; i < c->layers; i++) {
        const pare_widths *w = &c->widths[i], *goal = &job->goal.widths[i];
        widths[i] = *w;
        widths[i].kv_heads = left_of(job, i, w->kv_heads, goal->kv_heads);
        widths[i].heads = widths[i].kv_heads * pare_widths_shared(w);
        widths[i].ffn = left_of(job, i, w->ffn, goal->ffn);
    }
}

/* A picture is as long as it is. */
static pare_status read_pictures(pare_prune_job *job) {
    const pare_calibration_options *c = &job->calibration;
    job->lora->cutoff = job->model->config.max_positions;
    return pare_picture_examples_read(job->model, c->source, c->samples, false, job->runtime, &job->lora->examples,
                                      NULL);
}

static pare_status read_texts(pare_prune_job *job) {
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    const pare_calibration_options *c = &job->calibration;
    const pare_tokenizer *tokenizer;
    pare_chat_style style;
    uint32_t positions = job->model->config.max_positions;
    job->lora->cutoff = (uint32_t)r->cutoff < positions ? (uint32_t)r->cutoff : positions;
    const char *folder;
    pare_examples_request request = {.path = c->source,
                                     .field = c->field,
                                     .style = &style,
                                     .cutoff = job->lora->cutoff,
                                     .train_on_prompt = r->train_on_prompt,
                                     .limit = c->samples};
    PARE_TRY(pare_calibration_tokenizer(job->model, c->source, &tokenizer));
    PARE_TRY(pare_model_companions(job->model, &folder));
    PARE_TRY(pare_chat_style_open(folder, (size_t)job->asked->recipe.wording, &style));
    pare_status status = pare_examples_read(tokenizer, &request, &job->lora->examples);
    if (job->lora->examples.formatted) job->lora->chat = pare_chat_style_name(&style);
    if (status == PARE_OK) pare_examples_say(&job->lora->examples, c->source, &style, job->runtime);
    pare_chat_style_free(&style);
    return status == PARE_OK ? pare_examples_check(&job->lora->examples, c->source, job->model) : status;
}

static pare_batches_options batches_of(const pare_prune_job *job) {
    return (pare_batches_options){.batch = (uint32_t)job->asked->recipe.lora.batch,
                                  .length = job->lora->cutoff,
                                  .group_by_length = job->asked->recipe.lora.group_by_length,
                                  .seed = job->asked->seed};
}

static pare_lora_options factors_of(const pare_prune_job *job) {
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    pare_lora_options options = {
        .rank = (uint32_t)r->rank, .alpha = r->alpha, .dropout = r->dropout, .seed = job->asked->seed};
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        options.targets[role] = true;
    return options;
}

static uint64_t count_steps(const pare_prune_job *job) {
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    if (r->steps) return (uint64_t)r->steps;
    return (uint64_t)ceil(r->epochs * (double)pare_batches_steps(job->lora->batches));
}

/* As released, short training may never come to prune. */
static pare_status check_schedule(const pare_prune_job *job) {
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, job->model->config.layers, sizeof *widths, "widths"));
    pare_loraprune_widths(job, widths);
    bool same = memcmp(widths, job->model->config.widths, job->model->config.layers * sizeof *widths) == 0;
    pare_free(widths);
    if (!same) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "in %llu steps with --prune-every %d and --final-cut released nothing would go: give more "
                     "--train-steps, or leave out --final-cut",
                     (unsigned long long)job->lora->steps, job->asked->recipe.lora.every);
}

static void set_training(pare_prune_job *job) {
    pare_loraprune *lora = job->lora;
    const pare_lora_recipe *r = &job->asked->recipe.lora;
    lora->training = (pare_trainer_options){.schedule = {.peak = r->rate, .decay = lora->steps, .total = lora->steps},
                                            .clip = r->clip,
                                            .keep = pare_kept_rule_of(job->runtime),
                                            .beta1 = 0.9,
                                            .beta2 = 0.999,
                                            .epsilon = 1e-8,
                                            .seed = job->asked->seed};
}

pare_status pare_loraprune_read(pare_prune_job *job) {
    pare_loraprune *lora;
    PARE_TRY(pare_alloc(&job->lora, 1, sizeof *job->lora, "training"));
    lora = job->lora;
    PARE_TRY(pare_reads_pictures(&job->model->config) ? read_pictures(job) : read_texts(job));
    pare_batches_options options = batches_of(job);
    PARE_TRY(pare_batches_new(&lora->examples, &options, &lora->batches));
    PARE_TRY(pare_batches_digest(lora->batches, job->calibration_digest));
    PARE_TRY(pare_peer_agree("examples (by the digest of their ids)", job->calibration_digest));
    lora->steps = count_steps(job);
    PARE_TRY(check_schedule(job));
    set_training(job);
    pare_lora_options factors = factors_of(job);
    PARE_TRY(pare_trained_lora(job->model, job->backend, &factors, &lora->trained));
    PARE_TRY(pare_lora_units_new(job, &lora->units));
    return pare_prune_plan(job, options.batch, lora->cutoff, true);
}

/* Adapters, moments of the optimiser, what is scored with, and the examples. */
static uint64_t state_bytes(const pare_prune_job *job) {
    const pare_loraprune *lora = job->lora;
    pare_lora_options factors = factors_of(job);
    uint64_t ids = pare_examples_ids(&lora->examples);
    return pare_trained_lora_bytes(job->model, job->backend, &factors) + 2 * lora->trained->count * sizeof(float) +
           pare_lora_scores_bytes(job->model, job->asked->recipe.lora.rank) + ids * sizeof(uint32_t) +
           lora->examples.count * sizeof *lora->examples.list;
}

static pare_status plan_merged(pare_prune_job *job, pare_plan *plan) {
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, job->model->config.layers, sizeof *widths, "widths"));
    pare_loraprune_widths(job, widths);
    plan->repair = pare_prune_merged_bytes(job->model, widths, false);
    if (pare_prune_merges_in_file(job, plan->repair)) plan->scratch += plan->repair;
    pare_free(widths);
    return PARE_OK;
}

/* Examples are as long as they are on average. */
static void plan_work(pare_prune_job *job, const pare_batches_options *batches) {
    const pare_loraprune *lora = job->lora;
    int64_t length = (int64_t)pare_examples_mean_ids(&lora->examples);
    pare_work work = pare_trainer_work(lora->trained, &lora->training, batches->batch, length);
    pare_prune_plan_work(job, "training and pruning", &work, 1.0);
}

pare_status pare_loraprune_plan(pare_prune_job *job) {
    pare_loraprune *lora = job->lora;
    pare_plan *plan = &job->plan.sizes;
    pare_batches_options batches = batches_of(job);
    pare_pass_memory memory;
    plan->state = state_bytes(job);
    plan->steps = lora->steps;
    plan->chat = lora->chat;
    plan->sequences = batches.batch;
    plan->length = batches.length;
    lora->training.memory = pare_limit_beside(plan->limit, plan->state);
    PARE_TRY(pare_trainer_measure(lora->trained, &batches, &lora->training, &memory));
    pare_pass_memory_plan(&memory, plan);
    plan_work(job, &batches);
    return plan_merged(job, plan);
}

void pare_loraprune_free(pare_loraprune *lora) {
    if (!lora) return;
    if (lora->trained) pare_lora_units_free(lora->trained->model, &lora->units);
    pare_trained_free(lora->trained);
    pare_batches_free(lora->batches);
    pare_examples_free(&lora->examples);
    pare_free(lora->losses);
    pare_free(lora);
}
