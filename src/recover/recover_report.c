/* recovery.json, the report, and what a run depends on. */
#include "recover/recover_job.h"
#include "report/engines.h"
#include "report/recovery.h"
#include "report/report.h"
#include "support/json.h"
#include "train/adapter_file.h"

static json_t *lora_json(const pare_lora_options *lora) {
    json_t *targets = json_array();
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (lora->targets[role]) pare_json_append(targets, pare_json_string(pare_adapter_role((pare_role)role)));
    return pare_json_of({"rank", json_integer(lora->rank)}, {"alpha", pare_json_real(lora->alpha)},
                        {"dropout", pare_json_real(lora->dropout)}, {"targets", targets});
}

json_t *pare_recover_settings_json(const pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    json_t *json = json_object();
    pare_json_put(json, "preset", pare_json_string(s->preset->name));
    pare_json_put(json, "wording", pare_json_string(pare_template_name(s->wording)));
    pare_json_put(json, "chat",
                  job->examples.formatted ? pare_json_string(pare_chat_style_name(&job->style)) : json_null());
    pare_json_put(json, "cutoff", json_integer(s->cutoff));
    pare_json_put(json, "train_on_prompt", json_boolean(s->train_on_prompt));
    pare_json_put(json, "pack", json_boolean(s->pack));
    pare_json_put(json, "group_by_length", json_boolean(s->group_by_length));
    pare_json_put(json, "full", json_boolean(s->full));
    pare_json_put(json, "fresh", json_boolean(s->fresh));
    pare_json_put(json, "keep_sparsity", json_boolean(s->keep_sparsity));
    pare_json_put(json, "lora", s->full ? json_null() : lora_json(&s->lora));
    pare_json_put(json, "ce", job->teacher ? pare_json_real(s->ce) : json_null());
    pare_json_put(json, "kd", job->teacher ? pare_json_real(s->kd) : json_null());
    pare_json_put(json, "teacher_sampled", json_boolean(s->teacher_cache != NULL));
    pare_json_put(json, "rate", pare_json_real(s->rate));
    pare_json_put(json, "batch", json_integer(s->batch));
    pare_json_put(json, "micro_batch", json_integer(s->micro_batch));
    pare_json_put(json, "steps", pare_json_count(s->steps));
    pare_json_put(json, "warmup", pare_json_count(s->warmup));
    pare_json_put(json, "decay", pare_json_count(s->decay));
    pare_json_put(json, "clip", pare_json_real(s->clip));
    pare_json_put(json, "weight_decay", pare_json_real(s->weight_decay));
    pare_json_put(json, "betas", pare_json_list_of(pare_json_real(s->beta1), pare_json_real(s->beta2)));
    pare_json_put(json, "epsilon", pare_json_real(s->epsilon));
    pare_json_put(json, "validation", pare_json_count(s->validation));
    pare_json_put(json, "validate_every", json_integer(s->validate_every));
    pare_json_put(json, "seed", pare_json_count(job->settings.seed));
    return json;
}

static pare_recovery_lesson lesson_of(const pare_taught *taught) {
    return (pare_recovery_lesson){taught->ce, taught->kl, taught->same};
}

static pare_recovery_results results_of(const pare_recover_job *job, const json_t *settings) {
    const pare_examples *examples = &job->examples;
    const pare_trainer *trainer = &job->trainer;
    return (pare_recovery_results){
        .model = job->passing ? NULL : pare_checkpoint_directory(job->model->checkpoint),
        .digest = job->scan.digest,
        .parameters = pare_model_parameters(job->model),
        .settings = settings,
        .data = {.file = job->settings.data,
                 .digest = job->data_digest,
                 .examples = examples->count,
                 .held_out = pare_batches_options_of(job->batches)->validation,
                 .shortened = examples->shortened,
                 .left_out = examples->dropped,
                 .odd_rows = examples->odd.count,
                 .not_utf8 = examples->malformed,
                 .parts = job->parts,
                 .part_count = pare_recovery_sources(&job->settings)},
        .teacher = job->teacher ? pare_checkpoint_directory(job->teacher->checkpoint) : NULL,
        .teacher_digest = job->teacher_digest,
        .first_taught = lesson_of(&trainer->first_taught),
        .best_taught = lesson_of(&trainer->best_taught),
        .trained = job->trained->kind,
        .trained_parameters = job->trained->count,
        .steps = trainer->steps_done,
        .tokens = trainer->tokens,
        .curve = &trainer->curve,
        .first_validation = trainer->first_validation,
        .last_validation = trainer->last_validation,
        .best_validation = trainer->best_validation,
        .best_step = trainer->best_step,
    };
}

pare_status pare_recover_record(const pare_recover_job *job, char **text) {
    json_t *settings = pare_recover_settings_json(job);
    pare_recovery_results results = results_of(job, settings);
    pare_status status = pare_json_text_of(pare_report_recovery_record(&results), "recovery.json", text);
    json_decref(settings);
    return status;
}

pare_status pare_recover_report(const pare_recover_job *job, char **text) {
    bool adapter = job->settings.adapter;
    json_t *settings = pare_recover_settings_json(job);
    pare_recovery_results results = results_of(job, settings);
    results.training_seconds = job->trainer.seconds_before;
    results.texts = job->texts;
    results.text_count = job->settings.text_count;
    results.adapter = adapter;
    results.written =
        (pare_written){.path = job->settings.output,
                       .kind = adapter ? "adapter" : "merged",
                       .pipeline = pare_report_pipeline(&job->model->config),
                       .engines = adapter ? pare_report_engines_adapter() : pare_report_engines_of(&job->model->config),
                       .load = adapter ? "loads with peft, beside the model that was trained on"
                                       : "loads as the model that was trained on does",
                       .files = &job->run.written};
    results.zeros_lost = job->plan.zeros_lost;
    results.plan = &job->plan;
    results.times = job->run.times;
    results.time_count = job->run.time_count;
    results.ranks = job->ranks;
    results.rank_count = job->rank_count;
    pare_status status = pare_report_text(PARE_REPORT_RECOVERY, &results, text);
    json_decref(settings);
    return status;
}
