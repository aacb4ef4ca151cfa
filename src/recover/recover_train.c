/* From a file of examples to weights that were trained on them. */
#include "calibrate/calibration.h"
#include "evaluate/pair.h"
#include "recover/recover_job.h"
#include "recover/zeros.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"
#include "train/run.h"

#include <stdio.h>
#include <string.h>

pare_status pare_recover_add_pictures(const pare_recover_job *job, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    if (!*job->pictures_digest) return PARE_OK;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, text, PARE_DIGEST_TEXT);
    pare_digest_add(digest, job->pictures_digest, PARE_DIGEST_TEXT);
    pare_digest_finish(digest, text);
    return PARE_OK;
}

/* Sequences need to be no longer than the longest example, unless several of them share one. */
static uint32_t sequence_length(const pare_recover_job *job) {
    enum { MULTIPLE = 8 };
    uint32_t longest = 2;
    for (size_t i = 0; i < job->examples.count; i++)
        longest = job->examples.list[i].count > longest ? job->examples.list[i].count : longest;
    longest = (longest + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    return job->settings.pack || longest > job->settings.cutoff ? job->settings.cutoff : longest;
}

static void set_training(pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    job->training = (pare_trainer_options){
        .schedule = {.peak = s->rate, .warmup = s->warmup, .decay = s->decay, .total = s->steps},
        .clip = s->clip,
        .beta1 = s->beta1,
        .beta2 = s->beta2,
        .epsilon = s->epsilon,
        .weight_decay = s->weight_decay,
        .micro_batch = s->micro_batch,
        .keep = pare_kept_rule_of(job->runtime),
        .validate_every = s->validate_every,
        .teacher = {.model = job->teacher, .cached = s->teacher_cache != NULL, .ce = s->ce, .kd = s->kd},
        .seed = job->settings.seed};
}

/* Several files are a mixture. */
static pare_status make_batches(pare_recover_job *job, pare_batches_options options) {
    size_t count = pare_recovery_sources(&job->settings);
    pare_batches_source *sources;
    if (count < 2) {
        PARE_TRY(pare_batches_new(&job->examples, &options, &job->batches));
        job->parts[0].held_out = options.validation;
        return PARE_OK;
    }
    PARE_TRY(pare_alloc(&sources, count, sizeof *sources, "a mixture"));
    for (size_t i = 0; i < count; i++)
        sources[i] = (pare_batches_source){(size_t)job->parts[i].examples, job->parts[i].share};
    options.sources = sources;
    options.source_count = count;
    pare_status status = pare_batches_new(&job->examples, &options, &job->batches);
    pare_free(sources);
    for (size_t i = 0; status == PARE_OK && i < count; i++)
        job->parts[i].held_out = pare_batches_source_held(job->batches, i);
    return status;
}

pare_status pare_recover_read(void *context) {
    pare_recover_job *job = context;
    pare_recovery *s = &job->settings;
    PARE_TRY(pare_recover_read_examples(job));
    size_t examples = (size_t)job->parts[0].examples;
    pare_recovery_hold_out(examples, s);
    if (s->validation >= examples)
        return pare_fail(PARE_BAD_ARGUMENT, "--val %llu: %s has %zu examples, and some must be left to train on",
                         (unsigned long long)s->validation, job->settings.data, examples);
    pare_batches_options options = {.batch = s->batch,
                                    .length = sequence_length(job),
                                    .validation = (uint32_t)s->validation,
                                    .pack = s->pack,
                                    .group_by_length = s->group_by_length,
                                    .seed = job->settings.seed};
    PARE_TRY(make_batches(job, options));
    if (s->teacher_cache) PARE_TRY(pare_teacher_cache_check(s->teacher_cache, pare_batches_predictions(job->batches)));
    PARE_TRY(pare_batches_digest(job->batches, job->data_digest));
    PARE_TRY(pare_recover_add_pictures(job, job->data_digest));
    PARE_TRY(pare_peer_agree("examples (by the digest of their ids)", job->data_digest));
    PARE_TRY(pare_recovery_schedule(pare_batches_steps(job->batches), s));
    set_training(job);
    return PARE_OK;
}

/* Weights that are trained, their gradients, the optimiser's moments, the best so far, sums over shards, and the
 * examples. */
static uint64_t state_bytes(const pare_recover_job *job, uint64_t parameters) {
    const pare_recovery *s = &job->settings;
    uint64_t ids = pare_examples_ids(&job->examples), copies = s->validation ? 3 : 2;
    copies += pare_trainer_sums(pare_batches_options_of(job->batches));
    uint64_t trained =
        s->full ? pare_trained_full_bytes(job->model) : pare_trained_lora_bytes(job->model, job->backend, &s->lora);
    uint64_t data = ids * (sizeof(uint32_t) + (job->examples.learnt != NULL)) +
                    job->examples.count * sizeof *job->examples.list + pare_batches_mixture_bytes(job->batches);
    return trained > UINT64_MAX / 2 ? trained : trained + copies * parameters * sizeof(float) + data;
}

/* Of that what a rank does not have: other ranks' slices of sums, and of moments unless these are kept. */
static uint64_t others_bytes(const pare_recover_job *job, uint64_t parameters) {
    uint64_t own = pare_trainer_largest_slice(parameters), copies = job->state ? 0 : 2;
    copies += pare_trainer_sums(pare_batches_options_of(job->batches));
    return copies * (parameters - own) * sizeof(float);
}

static pare_status make_trained(pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    pare_full_options full = {.keep_zeros = s->keep_sparsity, .fresh = s->fresh, .seed = job->settings.seed};
    if (s->full) return pare_trained_full(job->model, job->backend, &full, &job->trained);
    return s->keep_sparsity ? pare_trained_lora_masked(job->model, job->backend, &s->lora, &job->trained)
                            : pare_trained_lora(job->model, job->backend, &s->lora, &job->trained);
}

enum { PASSES_SHARE = 4 };

/* Of several ranks. */
static bool leaves_share(const pare_plan *plan) {
    return pare_peer_count() > 1 && plan->state <= plan->limit - plan->limit / PASSES_SHARE;
}

/* How the work is cut follows from the limit and from what one process would have left of it, so that it does not
 * depend on ranks. Where that is too little, these have a share of the limit for it. whole: the state of one process.
 */
static pare_status measure_pass(pare_recover_job *job, uint64_t whole) {
    pare_plan *plan = &job->plan;
    pare_pass_memory memory;
    const pare_batches_options *batches = pare_batches_options_of(job->batches);
    bool fits = !plan->limit || whole < plan->limit;
    pare_status status = PARE_OUT_OF_MEMORY;
    job->training.memory = fits && plan->limit ? plan->limit - whole : 0;
    if (fits) status = pare_trainer_measure(job->trained, batches, &job->training, &memory);
    if (status == PARE_OUT_OF_MEMORY && leaves_share(plan)) {
        job->training.memory = plan->limit / PASSES_SHARE;
        status = pare_trainer_measure(job->trained, batches, &job->training, &memory);
    }
    PARE_TRY(status);
    pare_pass_memory_plan(&memory, plan);
    return PARE_OK;
}

static pare_status check_state(const pare_recover_job *job, uint64_t whole) {
    const pare_plan *plan = &job->plan;
    if (!plan->limit || whole < plan->limit || leaves_share(plan)) return PARE_OK;
    if (pare_peer_count() > 1)
        return pare_fail(PARE_OUT_OF_MEMORY,
                         "%s need %.1f MiB of each rank, with their gradients and its part of the moments, and of the "
                         "limit, %.1f MiB, a quarter is for passes: take more ranks, or raise --memory",
                         job->settings.full ? "all weights" : "the adapters", (double)plan->state / 1048576.0,
                         (double)plan->limit / 1048576.0);
    return pare_fail(PARE_OUT_OF_MEMORY,
                     "%s need %.1f MiB with their gradients and moments, and the limit is %.1f MiB: %s, or raise "
                     "--memory",
                     job->settings.full ? "all weights" : "the adapters", (double)plan->state / 1048576.0,
                     (double)plan->limit / 1048576.0,
                     job->settings.full ? "leave out --full" : "lower --rank, or name fewer --targets");
}

/* Texts are measured before and after, beside the dense model where there is one. */
static void plan_evaluation(pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    for (size_t i = 0; i < s->text_count; i++) {
        int64_t windows = pare_calibration_windows(job->model, s->texts[i], s->window, s->max_windows);
        pare_work pair = pare_pair_work(job->model, windows, s->window, s->continuations);
        pare_expected_add(&job->expected, "evaluation", &pair, job->dense ? 2.0 : 1.0);
    }
}

/* The model as trained, or an adapter beside it: then both are looked at. */
static void plan_writing(pare_recover_job *job) {
    uint64_t whole = pare_model_bytes(job->model), bytes = job->settings.adapter ? job->plan.state : whole;
    pare_work writing = pare_work_writing(bytes), checking = pare_work_checking(bytes);
    pare_work passes = pare_work_forward(job->model, 2, 128);
    pare_work_add(&checking, &passes, 1.0);
    pare_expected_add(&job->expected, "writing", &writing, 1.0);
    pare_expected_add(&job->expected, "checking the result", &checking, 1.0);
}

static pare_status plan_times(pare_recover_job *job) {
    if (!job->runtime || !job->runtime->plan) return PARE_OK;
    int64_t length = (int64_t)(job->settings.pack ? job->plan.length : pare_examples_mean_ids(&job->examples));
    pare_work work = pare_trainer_work(job->trained, &job->training, (int64_t)job->plan.sequences, length);
    pare_expected_add(&job->expected, "training", &work, 1.0);
    plan_evaluation(job);
    plan_writing(job);
    PARE_TRY(pare_expected_measure(&job->expected, job->model, job->backend, length, job->plan.limit));
    pare_expected_plan(&job->expected, &job->plan);
    return PARE_OK;
}

pare_status pare_recover_plan(void *context) {
    pare_recover_job *job = context;
    const pare_batches_options *batches = pare_batches_options_of(job->batches);
    uint64_t parameters = job->settings.full ? pare_model_parameters(job->model)
                                             : pare_trained_lora_count(job->model, &job->settings.lora);
    job->plan =
        (pare_plan){.mapped = pare_model_bytes(job->model) + (job->teacher ? pare_model_bytes(job->teacher) : 0),
                    .state = state_bytes(job, parameters),
                    .limit = pare_runtime_limit(job->runtime),
                    .limit_origin = pare_runtime_limit_origin(job->runtime),
                    .sequences = batches->batch,
                    .length = batches->length,
                    .pictures = pare_reads_pictures(&job->model->config),
                    .steps = job->settings.steps};
    uint64_t whole = job->plan.state;
    job->plan.state -= others_bytes(job, parameters);
    PARE_TRY(check_state(job, whole));
    PARE_TRY(make_trained(job));
    if (!job->settings.keep_sparsity && !job->settings.fresh)
        job->plan.zeros_lost = pare_zeros_share(job->trained, &job->scan);
    PARE_TRY(measure_pass(job, whole));
    PARE_TRY(pare_recover_find_cache(job));
    job->plan.chat = job->examples.formatted ? pare_chat_style_name(&job->style) : NULL;
    PARE_TRY(plan_times(job));
    if (job->runtime && job->runtime->plan) job->runtime->plan(job->runtime->progress_user, &job->plan);
    return PARE_OK;
}

/* Of all that the result depends on. */
static json_t *identity(const pare_recover_job *job) {
    char draws[PARE_DIGEST_TEXT] = "";
    if (job->cache) pare_teacher_cache_digest(job->cache, draws);
    return pare_json_of({"pare", pare_json_string(pare_version())}, {"weights", pare_json_string(job->scan.digest)},
                        {"data", pare_json_string(job->data_digest)},
                        {"teacher", job->teacher ? pare_json_string(job->teacher_digest) : json_null()},
                        {"teacher_cache", pare_json_string(draws)},
                        {"operand", json_integer((json_int_t)job->backend->operand)},
                        {"settings", pare_recover_settings_json(job)});
}

/* The pass and the moments make room for what comes after the training. */
static void keep_results(pare_trainer *trainer) {
    pare_trainer_free_passes(trainer);
    pare_adamw_free(&trainer->optimizer);
    pare_free(trainer->best);
    pare_free(trainer->sum);
    trainer->best = trainer->sum = NULL;
    trainer->seconds_before = pare_trainer_seconds(trainer);
}

pare_status pare_recover_train(void *context) {
    pare_recover_job *job = context;
    PARE_TRY(pare_recover_ask_teacher(job));
    PARE_TRY(pare_resume_key(identity(job), job->resume.key));
    PARE_TRY(pare_resume_open(&job->resume));
    job->training.kept = job->state != NULL;
    PARE_TRY(pare_trainer_new(job->trained, job->batches, &job->training, job->runtime, &job->trainer));
    pare_training_run run = {.save_every = job->settings.save_every, .state = job->state, .key = job->resume.key};
    PARE_TRY(pare_training_run_steps(&job->trainer, &run));
    keep_results(&job->trainer);
    return PARE_OK;
}
