/* recovery.json, the report, and what a run depends on. */
#include "recover/recover_job.h"
#include "support/memory.h"
#include "train/adapter_file.h"

#include <math.h>

/* null: not measured. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(uint64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *lora_json(const pare_lora_options *lora) {
    json_t *targets = json_array();
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (lora->targets[role]) json_array_append_new(targets, json_string(pare_adapter_module((pare_role)role)));
    return json_pack("{s:i,s:f,s:f,s:o}", "rank", (int)lora->rank, "alpha", lora->alpha, "dropout", lora->dropout,
                     "targets", targets);
}

json_t *pare_recover_settings_json(const pare_recover_job *job) {
    const pare_recover_settings *s = &job->settings;
    json_t *json = json_object();
    json_object_set_new(json, "preset", json_string(s->preset->name));
    json_object_set_new(json, "wording", json_string(pare_template_name(s->wording)));
    json_object_set_new(json, "chat",
                        job->examples.formatted ? json_string(pare_chat_style_name(&job->style)) : json_null());
    json_object_set_new(json, "cutoff", json_integer(s->cutoff));
    json_object_set_new(json, "train_on_prompt", json_boolean(s->train_on_prompt));
    json_object_set_new(json, "pack", json_boolean(s->pack));
    json_object_set_new(json, "group_by_length", json_boolean(s->group_by_length));
    json_object_set_new(json, "full", json_boolean(s->full));
    json_object_set_new(json, "fresh", json_boolean(s->fresh));
    json_object_set_new(json, "keep_sparsity", json_boolean(s->keep_sparsity));
    json_object_set_new(json, "lora", s->full ? json_null() : lora_json(&s->lora));
    json_object_set_new(json, "rate", json_real(s->rate));
    json_object_set_new(json, "batch", json_integer(s->batch));
    json_object_set_new(json, "micro_batch", json_integer(s->micro_batch));
    json_object_set_new(json, "steps", count(s->steps));
    json_object_set_new(json, "warmup", count(s->warmup));
    json_object_set_new(json, "decay", count(s->decay));
    json_object_set_new(json, "clip", json_real(s->clip));
    json_object_set_new(json, "weight_decay", json_real(s->weight_decay));
    json_object_set_new(json, "betas", json_pack("[f,f]", s->beta1, s->beta2));
    json_object_set_new(json, "epsilon", json_real(s->epsilon));
    json_object_set_new(json, "validation", count(s->validation));
    json_object_set_new(json, "validate_every", json_integer(s->validate_every));
    json_object_set_new(json, "seed", count(job->options->seed));
    return json;
}

static json_t *data_json(const pare_recover_job *job) {
    const pare_examples *examples = &job->examples;
    json_t *json = json_object();
    json_object_set_new(json, "file", pare_json_name(job->options->data));
    json_object_set_new(json, "examples", count(examples->count));
    json_object_set_new(json, "held_out", count(pare_batches_options_of(job->batches)->validation));
    json_object_set_new(json, "shortened", count(examples->shortened));
    json_object_set_new(json, "left_out", count(examples->dropped));
    json_object_set_new(json, "odd_rows", count(examples->odd.count));
    json_object_set_new(json, "not_utf8", count(examples->malformed));
    json_object_set_new(json, "sha256", json_string(job->data_digest));
    return json;
}

/* Of the steps: the first, the last, and the mean of all. */
static json_t *loss_json(const pare_curve *curve) {
    double first = NAN, last = NAN, sum = 0.0;
    uint64_t steps = 0;
    for (size_t i = 0; i < curve->count; i++) {
        if (!curve->list[i].step) continue;
        last = curve->list[i].loss;
        first = steps++ ? first : last;
        sum += last;
    }
    return json_pack("{s:o,s:o,s:o}", "first", number(first), "last", number(last), "mean",
                     number(steps ? sum / (double)steps : NAN));
}

static json_t *validation_json(const pare_trainer *trainer) {
    if (isnan(trainer->first_validation)) return json_null();
    return json_pack("{s:o,s:o,s:o,s:I}", "before", number(trainer->first_validation), "last",
                     number(trainer->last_validation), "best", number(trainer->best_validation), "best_step",
                     (json_int_t)trainer->best_step);
}

json_t *pare_recover_record(const pare_recover_job *job) {
    const pare_trainer *trainer = &job->trainer;
    json_t *json = json_object(), *model = json_object(), *trained = json_object();
    uint64_t parameters = pare_model_parameters(job->model);
    json_object_set_new(json, "pare", json_string(pare_version()));
    json_object_set_new(model, "path",
                        job->passing ? json_null() : pare_json_name(pare_checkpoint_directory(job->model->checkpoint)));
    json_object_set_new(model, "parameters", count(parameters));
    json_object_set_new(model, "sha256", json_string(job->scan.digest));
    json_object_set_new(json, "model", model);
    json_object_set_new(json, "settings", pare_recover_settings_json(job));
    json_object_set_new(json, "data", data_json(job));
    json_object_set_new(trained, "kind", json_string(job->trained->kind));
    json_object_set_new(trained, "parameters", count(job->trained->count));
    json_object_set_new(trained, "share", number(parameters ? (double)job->trained->count / (double)parameters : NAN));
    json_object_set_new(json, "trained", trained);
    json_object_set_new(json, "steps", count(trainer->steps_done));
    json_object_set_new(json, "tokens", count(trainer->tokens));
    json_object_set_new(json, "loss", loss_json(&trainer->curve));
    json_object_set_new(json, "validation", validation_json(trainer));
    return json;
}

static json_t *output_json(const pare_recover_job *job) {
    json_t *output = json_object();
    bool adapter = job->options->adapter;
    json_object_set_new(output, "path", pare_json_name(job->options->output));
    json_object_set_new(output, "kind", json_string(adapter ? "adapter" : "merged"));
    json_object_set_new(output, "load",
                        json_string(adapter ? "loads with peft, beside the model that was trained on"
                                            : "loads as the model that was trained on does"));
    json_object_set_new(output, "files", pare_report_files(&job->run.written));
    json_object_set_new(output, "bytes", count(job->run.written.bytes));
    return output;
}

/* An adapter leaves the model as it is until it is merged. */
static json_t *warnings_json(const pare_recover_job *job) {
    double zeros = 100 * job->plan.zeros_lost;
    if (zeros <= 0) return NULL;
    if (job->options->adapter)
        return json_pack("[o]", json_sprintf("%.3g %% of the weights beside the adapter are zeros, and merging it will "
                                             "fill them; training without --adapter can keep them (--keep-sparsity)",
                                             zeros));
    return json_pack("[o]", json_sprintf("%.3g %% of the trained weights were zeros, and are not zero any more; "
                                         "--keep-sparsity keeps them",
                                         zeros));
}

pare_status pare_recover_report(const pare_recover_job *job, char **text) {
    json_t *json = pare_recover_record(job);
    double seconds = job->trainer.seconds_before; /* of all runs */
    json_object_set_new(json, "training_seconds", number(seconds));
    json_object_set_new(json, "tokens_per_second", number(seconds > 0.0 ? (double)job->trainer.tokens / seconds : NAN));
    if (job->texts) json_object_set(json, "texts", job->texts);
    json_object_set_new(json, "output", output_json(job));
    json_object_set_new(json, "seconds", pare_report_seconds(job->run.times, job->run.time_count));
    json_t *warnings = warnings_json(job);
    if (warnings) json_object_set_new(json, "warnings", warnings);
    json_object_set_new(json, "memory", json_pack("{s:I}", "anonymous_peak", (json_int_t)pare_memory_peak()));
    return pare_json_text(json, text);
}
