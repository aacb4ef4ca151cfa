#include "prune/prune_job.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_name(pare_config_kind kind) {
    return kind == PARE_CONFIG_LLAMA ? "llama" : kind == PARE_CONFIG_MISTRAL ? "mistral" : "per-layer";
}

/* Before 4.48 transformers leaves scaled rotary positions out of a Mistral. */
static json_t *kind_loads(const pare_prune_job *job) {
    const pare_config *config = &job->model->config;
    bool scaled = config->rope[0].kind == PARE_ROPE_LINEAR || config->rope[0].kind == PARE_ROPE_LLAMA3;
    bool was = strcmp(config->model_type, "mistral") == 0;
    switch (job->kind) {
    case PARE_CONFIG_LLAMA:
        return json_string("loads as any LLaMA: transformers, vLLM, llama.cpp's converter, pare");
    case PARE_CONFIG_MISTRAL:
        return json_sprintf("loads as %s: transformers%s, vLLM, llama.cpp's converter, pare%s",
                            was ? "the Mistral that it was"
                                : "a Mistral (the same computation; transformers wants a LLaMA's heads to divide its "
                                  "hidden size)",
                            scaled ? " >= 4.48" : "",
                            scaled ? " (older transformers leave a Mistral's RoPE scaling out and compute something "
                                     "else)"
                                   : "");
    case PARE_CONFIG_PER_LAYER:
        break;
    }
    return json_string("layers differ in width: pare reads it (eval, generate, prune); stock engines have one width "
                       "for all layers, so prune all layers alike (no --layers) for them");
}

/* What zeros in dense tensors are good for. */
static const char *speed_of(const pare_prune_job *job) {
    const pare_sparsity *s = &job->options->sparsity;
    if (job->options->archive)
        return "the archive is for disks and networks: pare expands it when it opens the model, other engines do not "
               "read it";
    if (s->keep == 2 && s->of == 4)
        return "2:4 runs faster where an engine makes use of NVIDIA's sparse tensor cores (torch.sparse."
               "to_sparse_semi_structured, cuSPARSELt); vLLM, llama.cpp and pare compute with the zeros as with any "
               "number: no faster, no smaller";
    return "zeros in dense tensors make no engine faster and no file smaller (--archive packs them for pare): for "
           "speed, remove units with --ratio, or take --pattern 2:4 on NVIDIA GPUs";
}

pare_record pare_prune_record(const pare_prune_job *job, json_t *recipe) {
    const char *source = job->options->calibration.source;
    pare_record record = {.model = job->origin,
                          .method = job->recipe.name,
                          .recipe = recipe,
                          .seed = job->options->seed,
                          .iterations = job->rounds,
                          .scan = &job->scan,
                          .calibration = job->calibrated ? (source ? source : "self") : NULL,
                          .sequences = job->windows.count,
                          .length = job->windows.length,
                          .calibration_digest = job->calibration_digest,
                          .parameters_after = pare_selection_parameters(job->origin, pare_prune_selection(job)),
                          .selection = pare_prune_selection(job),
                          .dropped = job->options->drop_count > 0,
                          .permutation = job->sparse.permutation,
                          .orders = job->sparse.orders};
    if (job->procedure->record) job->procedure->record(job, &record);
    return record;
}

static json_t *output_json(const pare_prune_job *job, const pare_record *record) {
    json_t *output = json_object();
    json_object_set_new(output, "path", pare_json_name(job->options->output));
    json_object_set_new(output, "kind", json_string(kind_name(job->kind)));
    json_object_set_new(output, "load", job->options->archive ? json_string("loads in pare") : kind_loads(job));
    if (job->procedure->zeroes) json_object_set_new(output, "speed", json_string(speed_of(job)));
    json_object_set_new(output, "files", pare_report_files(&job->run.written));
    json_object_set_new(output, "parameters", json_integer((json_int_t)record->parameters_after));
    json_object_set_new(output, "bytes", json_integer((json_int_t)job->run.written.bytes));
    return output;
}

static json_t *pair(uint64_t before, uint64_t after) {
    return json_pack("{s:I,s:I}", "before", (json_int_t)before, "after", (json_int_t)after);
}

/* A ratio takes whole KV groups, and a small share of few groups is none. */
static json_t *groups_warning(const pare_prune_job *job) {
    const pare_target *t = &job->target;
    const pare_config *config = &job->model->config;
    bool heads = t->mode == PARE_MODE_BLOCK && t->attention.begin < t->attention.end && !t->query_heads;
    uint32_t shared = 0, most = 0;
    for (uint32_t i = t->attention.begin; heads && i < t->attention.end && i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        if (job->goal.widths[i].kv_heads < w->kv_heads || job->composed.layer[i].kv_heads < w->kv_heads) return NULL;
        shared = pare_widths_shared(w) > shared ? pare_widths_shared(w) : shared;
        most = w->kv_heads > most ? w->kv_heads : most;
    }
    if (!most) return NULL;
    const char *units = shared > 1 ? "KV group" : "head", *several = most == 1 ? "" : "s";
    const char *advice = shared > 1 ? "; --gqa query removes query heads within the groups instead" : "";
    if (t->ratios)
        return json_sprintf("no %s is removed, only FFN channels: no layer's share of its %ss is a whole one%s", units,
                            units, advice);
    return json_sprintf("no %s is removed, only FFN channels: %.3g %% of a layer's %u %s%s is less than one%s", units,
                        100 * job->goal.ratio, most, units, several, advice);
}

static json_t *warnings_json(const pare_prune_job *job) {
    json_t *warnings = json_array();
    const char *ignored;
    for (size_t i = 0; (ignored = pare_recipe_ignored(job->options, &job->recipe, i)); i++)
        json_array_append_new(warnings,
                              json_sprintf("%s has no meaning for --method %s%s and was ignored", ignored,
                                           job->recipe.name, job->options->sparsity.of ? " with --pattern" : ""));
    json_array_extend(warnings, json_object_get(job->sparse.permutation, "left_alone"));
    json_t *groups = groups_warning(job);
    if (groups) json_array_append_new(warnings, groups);
    return warnings;
}

/* SHA-256 of the lists of kept units, to tell at a glance whether two runs chose the same. */
static json_t *kept_digest(const pare_prune_job *job) {
    char text[PARE_DIGEST_TEXT], *lists;
    pare_digest *digest;
    const pare_selection *selection = pare_prune_selection(job);
    json_t *kept = json_pack("[o,o]", pare_report_layers(selection), pare_report_hidden(selection));
    lists = kept ? json_dumps(kept, JSON_COMPACT) : NULL;
    json_decref(kept);
    if (!lists || pare_digest_new(&digest) != PARE_OK) {
        free(lists);
        pare_lost();
        return NULL;
    }
    pare_digest_add(digest, lists, strlen(lists));
    pare_digest_finish(digest, text);
    free(lists);
    return json_string(text);
}

/* One share, or one for each layer. */
static json_t *ratio_json(const pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    if (!o->ratios) return json_real(job->goal.ratio);
    json_t *list = json_array();
    for (size_t i = 0; i < o->ratio_count; i++)
        json_array_append_new(list, json_real(o->ratios[i]));
    return list;
}

pare_status pare_prune_report(const pare_prune_job *job, char **text) {
    json_t *json = json_object(), *recipe = job->procedure->recipe(job), *model = json_object();
    const pare_selection *selection = pare_prune_selection(job);
    pare_record record = pare_prune_record(job, recipe);
    uint64_t parameters = pare_model_parameters(job->origin), bytes = pare_model_bytes(job->origin);
    json_object_set_new(json, "pare", json_string(pare_version()));
    json_object_set_new(json, "method", json_string(job->recipe.name));
    json_object_set_new(json, "recipe", recipe);
    json_object_set_new(json, "seed", json_integer((json_int_t)job->options->seed));
    json_object_set_new(json, "ratio", ratio_json(job));
    json_object_set_new(model, "name", pare_json_name(pare_checkpoint_directory(job->origin->checkpoint)));
    json_object_set_new(model, "parameters", json_integer((json_int_t)parameters));
    json_object_set_new(model, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(json, "model", model);
    if (!job->options->dry_run) json_object_set_new(json, "output", output_json(job, &record));
    json_object_set_new(json, "calibration", pare_report_calibration(&record));
    json_object_set_new(json, "parameters", pair(parameters, record.parameters_after));
    json_object_set_new(json, "bytes", pair(bytes, pare_selection_bytes(job->origin, selection)));
    if (isfinite(job->result.loss)) json_object_set_new(json, "calibration_loss", json_real(job->result.loss));
    if (!job->procedure->zeroes) json_object_set_new(json, "kept_sha256", kept_digest(job));
    if (record.dropped) json_object_set_new(json, "dropped_layers", pare_report_dropped(selection));
    json_object_set_new(json, "layers", pare_report_layers(selection));
    if (selection->hidden_channel) json_object_set_new(json, "hidden_channels_kept", pare_report_hidden(selection));
    size_t rounds = json_array_size(job->traces);
    if (rounds) json_object_set(json, "trace", json_array_get(job->traces, rounds - 1));
    if (rounds > 1) json_object_set(json, "traces", job->traces);
    if (job->repairs) json_object_set(json, "repair", job->repairs);
    if (job->procedure->member) json_object_set_new(json, job->procedure->member, job->procedure->report(job));
    if (job->texts) json_object_set(json, "texts", job->texts);
    json_object_set_new(json, "seconds", pare_report_seconds(job->run.times, job->run.time_count));
    json_t *warnings = warnings_json(job);
    if (json_array_size(warnings)) json_object_set(json, "warnings", warnings);
    json_decref(warnings);
    json_object_set_new(json, "memory", json_pack("{s:I}", "anonymous_peak", (json_int_t)pare_memory_peak()));
    return pare_json_text(json, text);
}
