#include "report/pruning.h"
#include "model/family.h"
#include "report/engines.h"
#include "report/trace.h"
#include "report/unit_strips.h"
#include "support/digest.h"
#include "support/file.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* model_type of what is written. */
static const char *kind_name(const pare_config *config, pare_config_kind kind) {
    switch (kind) {
    case PARE_CONFIG_LLAMA:
        return "llama";
    case PARE_CONFIG_MISTRAL:
        return "mistral";
    case PARE_CONFIG_OWN:
        return config->family->types[0];
    case PARE_CONFIG_OTHER:
        return pare_family_other(config)->types[0];
    case PARE_CONFIG_PER_LAYER:
        break;
    }
    return "per-layer";
}

static bool loses_heads(const pare_pruning_results *r) {
    for (uint32_t i = 0; i < r->model->config.layers; i++)
        if (!r->composed->layer[i].dropped && r->composed->layer[i].heads < r->model->config.widths[i].heads)
            return true;
    return false;
}

static const char *why_mistral(const pare_config *config) {
    if (config->family == &pare_family_llama)
        return "a Mistral (the same computation; transformers wants a LLaMA's heads to divide its hidden size)";
    return "a Mistral (the same computation, in a class that all engines read with such heads)";
}

/* What reads the model; freed with free(). Before 4.48 transformers leaves scaled rotary positions out of a Mistral. */
static char *loads_of(const pare_pruning_results *r) {
    const pare_config *config = &r->model->config;
    bool scaled = config->rope[0].kind == PARE_ROPE_LINEAR || config->rope[0].kind == PARE_ROPE_LLAMA3;
    bool was = strcmp(config->model_type, "mistral") == 0;
    if (r->archive) return pare_format("loads in pare");
    switch (r->kind) {
    case PARE_CONFIG_LLAMA:
        return pare_format("loads as any LLaMA: transformers, vLLM, llama.cpp's converter, pare");
    case PARE_CONFIG_MISTRAL:
        return pare_format("loads as %s: transformers%s, vLLM, llama.cpp's converter, pare%s",
                           was ? "the Mistral that it was" : why_mistral(config), scaled ? " >= 4.48" : "",
                           scaled ? " (older transformers leave a Mistral's RoPE scaling out and compute something "
                                    "else)"
                                  : "");
    case PARE_CONFIG_OWN:
        if (r->became_other)
            return pare_format(
                "loads as a %s (the same computation, in a class that has the biases): transformers, pare",
                config->family->class_name);
        return pare_format("loads as the %s that it was: %s, pare", config->family->class_name,
                           loses_heads(r) ? "transformers, and engines that read its head_dim" : "engines that load that class");
    case PARE_CONFIG_OTHER:
        return pare_format("loads as a %s (the same computation, in a class that other engines read with such heads): "
                           "transformers, pare",
                           pare_family_other(config)->class_name);
    case PARE_CONFIG_PER_LAYER:
        break;
    }
    bool gguf;
    if (pare_report_fits_gguf(config, r->composed, r->record->added_biases, &gguf) != PARE_OK) pare_lost();
    return pare_format("has layers of different widths: pare reads it%s; --remote-code adds a file with which "
                       "transformers does, too; other engines have one width for all layers, so prune all layers "
                       "alike (--select uniform, no --layers) for them",
                       gguf ? ", and llama.cpp as a GGUF file (pare export)" : "");
}

/* What zeros in dense tensors are good for. */
static const char *speed_of(const pare_pruning_results *r) {
    if (r->archive)
        return "the archive is for disks and networks: pare expands it when it opens the model, other engines do not "
               "read it";
    if (r->keep == 2 && r->of == 4)
        return "2:4 runs faster where an engine makes use of NVIDIA's sparse tensor cores (torch.sparse."
               "to_sparse_semi_structured, cuSPARSELt); vLLM, llama.cpp and pare compute with the zeros as with any "
               "number: no faster, no smaller";
    return "zeros in dense tensors make no engine faster and no file smaller (--archive packs them for pare): for "
           "speed, remove units with --ratio, or take --pattern 2:4 on NVIDIA GPUs";
}

static pare_written written_of(const pare_pruning_results *r) {
    const pare_config *config = &r->model->config;
    return (pare_written){.path = r->output,
                          .pipeline = pare_report_pipeline(config),
                          .engines = r->archive
                                         ? pare_report_engines_own()
                                         : pare_report_engines(config, r->kind, r->became_other || loses_heads(r)),
                          .kind = kind_name(config, r->kind),
                          .speed = r->zeroes ? speed_of(r) : NULL,
                          .files = r->files,
                          .parameters = r->record->parameters_after};
}

/* A ratio takes whole KV groups, and a small share of few groups is none. */
static json_t *groups_warning(const pare_pruning_results *r) {
    const pare_target *t = r->target;
    const pare_config *config = &r->model->config;
    bool heads = t->mode == PARE_MODE_BLOCK && t->attention.begin < t->attention.end && !t->query_heads;
    uint32_t shared = 0, most = 0;
    for (uint32_t i = t->attention.begin; heads && i < t->attention.end && i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        if (r->goal->widths[i].kv_heads < w->kv_heads || r->composed->layer[i].kv_heads < w->kv_heads) return NULL;
        shared = pare_widths_shared(w) > shared ? pare_widths_shared(w) : shared;
        most = w->kv_heads > most ? w->kv_heads : most;
    }
    if (!most) return NULL;
    const char *units = shared > 1 ? "KV group" : "head", *several = most == 1 ? "" : "s";
    const char *advice = shared > 1 ? "; --gqa query removes query heads within the groups instead" : "";
    if (t->ratios)
        return pare_json_format("no %s is removed, only FFN channels: no layer's share of its %ss is a whole one%s",
                                units, units, advice);
    return pare_json_format("no %s is removed, only FFN channels: %.3g %% of a layer's %u %s%s is less than one%s",
                            units, 100 * r->goal->ratio, most, units, several, advice);
}

/* What a family's class, or its norms, make of fewer heads. */
static json_t *heads_warning(const pare_pruning_results *r) {
    const pare_config *config = &r->model->config;
    bool block = r->target->mode == PARE_MODE_BLOCK && r->target->attention.begin < r->target->attention.end;
    if (!block) return NULL;
    if (config->architecture.head_norm == PARE_HEAD_NORM_ALL && loses_heads(r))
        return pare_json_format("%s has norms over all of its heads: those that are left compute something else than "
                                "before, which is what was scored and checked; removing FFN channels alone "
                                "(--attention-layers none) leaves them as they were",
                                config->family->class_name);
    if (config->family->heads == PARE_HEADS_DIVIDE && !pare_family_other(config))
        return pare_json_format("%s loads numbers of heads that divide the hidden size %u only: no others were chosen",
                                config->family->class_name, config->hidden);
    return NULL;
}

/* Biases that were not there. */
static json_t *biases_warning(const pare_pruning_results *r) {
    int count = __builtin_popcount(r->record->added_biases);
    if (!count) return NULL;
    return pare_json_format(
        "%d biases were added to every layer of a %s: 0, but for those that make up for the mean of "
        "what was removed",
        count, r->model->config.family->class_name);
}

static json_t *warnings_json(const pare_pruning_results *r) {
    json_t *warnings = json_array();
    for (size_t i = 0; r->ignored[i]; i++) {
        const char *lacks = r->lacking[i];
        pare_json_append(warnings, pare_json_format("%s has no meaning for --method %s%s%s%s and was ignored",
                                                    r->ignored[i], r->record->method, r->of ? " with --pattern" : "",
                                                    lacks ? " without " : "", lacks ? lacks : ""));
    }
    pare_json_extend(warnings, json_object_get(r->record->permutation, "left_alone"));
    json_t *groups = groups_warning(r);
    if (groups) pare_json_append(warnings, groups);
    json_t *heads = heads_warning(r);
    if (heads) pare_json_append(warnings, heads);
    pare_report_expert_warnings(r, warnings);
    json_t *biases = biases_warning(r);
    if (biases) pare_json_append(warnings, biases);
    return warnings;
}

/* SHA-256 of the lists of kept units, to tell at a glance whether two runs chose the same. */
static json_t *kept_digest(const pare_selection *selection) {
    char digits[PARE_DIGEST_TEXT], *lists;
    pare_digest *digest;
    json_t *kept = pare_json_list_of(pare_report_layers(selection), pare_report_hidden(selection)), *json = NULL;
    bool whole = pare_json_dump(kept, "the kept units", JSON_COMPACT, &lists) == PARE_OK;
    if (whole && pare_digest_new(&digest) == PARE_OK) {
        pare_digest_add(digest, lists, strlen(lists));
        pare_digest_finish(digest, digits);
        json = pare_json_string(digits);
    }
    json_decref(kept);
    pare_free(lists);
    return json;
}

/* One share, or one for each layer. */
static json_t *ratio_json(const pare_pruning_results *r) {
    if (!r->ratios) return pare_json_real(r->goal->ratio);
    json_t *list = json_array();
    for (size_t i = 0; i < r->ratio_count; i++)
        pare_json_append(list, pare_json_real(r->ratios[i]));
    return list;
}

static json_t *output_json(const pare_pruning_results *r) {
    pare_written written = written_of(r);
    char *load = loads_of(r);
    written.load = load;
    json_t *json = pare_report_written(&written);
    free(load);
    return json;
}

static void put_rounds(json_t *json, const pare_pruning_results *r) {
    size_t rounds = json_array_size(r->traces);
    if (rounds) pare_json_put(json, "trace", pare_json_same(json_array_get(r->traces, rounds - 1)));
    if (rounds > 1) pare_json_put(json, "traces", pare_json_same(r->traces));
    if (r->gates) pare_json_put(json, "gates", pare_report_gates(r->scored, r->gates));
    if (r->repairs) pare_json_put(json, "repair", pare_json_same(r->repairs));
    if (r->rebuilt) pare_json_put(json, "reconstruction", pare_json_same(r->rebuilt));
    if (r->experts) pare_json_put(json, "experts", pare_json_same(r->experts));
    if (r->search) pare_json_put(json, "search", pare_json_same(r->search));
    if (r->record->latency) pare_json_put(json, "latency", pare_json_same(r->record->latency));
}

json_t *pare_report_pruning(const void *results) {
    const pare_pruning_results *r = results;
    const pare_record *record = r->record;
    const pare_selection *selection = record->selection;
    uint64_t parameters = pare_model_parameters(record->model), bytes = pare_model_bytes(record->model);
    const char *name = pare_checkpoint_directory(record->model->checkpoint);
    json_t *json = pare_json_of(
        {"pare", pare_json_string(pare_version())}, {"method", pare_json_string(record->method)},
        {"recipe", pare_json_same(record->recipe)}, {"seed", pare_json_count(record->seed)}, {"ratio", ratio_json(r)},
        {"model",
         pare_json_of({"name", pare_json_name(name)}, {"parameters", pare_json_count(parameters)},
                      {"bytes", pare_json_count(bytes)}, {"hidden", json_integer(record->model->config.hidden)},
                      {"layers", pare_report_widths(record->model)})});
    pare_report_put_id(json_object_get(json, "model"), name);
    if (r->output) pare_json_put(json, "output", output_json(r));
    pare_json_put(json, "calibration", pare_report_calibration(record));
    pare_json_put(json, "parameters", pare_report_change(parameters, record->parameters_after));
    pare_json_put(json, "bytes", pare_report_change(bytes, pare_selection_bytes(r->model, r->composed)));
    if (isfinite(r->calibration_loss)) pare_json_put(json, "calibration_loss", pare_json_real(r->calibration_loss));
    if (!r->zeroes) pare_json_put(json, "kept_sha256", kept_digest(selection));
    if (record->dropped) pare_json_put(json, "dropped_layers", pare_report_dropped(selection));
    pare_json_put(json, "layers", pare_report_layers(selection));
    if (record->added_biases) pare_json_put(json, "added_biases", pare_report_added_biases(record));
    if (selection->hidden_channel) pare_json_put(json, "hidden_channels_kept", pare_report_hidden(selection));
    if (r->scores) pare_json_put(json, "scores", pare_report_unit_strips(r->scores, r->scored, r->scored_selection));
    put_rounds(json, r);
    if (r->part_name) pare_json_put(json, r->part_name, r->part);
    pare_report_put_texts(json, r->texts, r->text_count);
    pare_report_put_stages(json, r->times, r->time_count);
    if (r->rank_count) pare_json_put(json, "ranks", pare_report_ranks(r->ranks, r->rank_count));
    pare_report_put_warnings(json, warnings_json(r));
    pare_json_put(json, "memory", pare_report_memory(r->plan));
    return json;
}

static json_t *change_json(const pare_fit *fit) {
    return pare_json_of({"before", pare_json_real(fit->before)}, {"after", pare_json_real(fit->after)});
}

/* Points that a picture needs, with the last. */
static json_t *curve_json(const pare_stage_curve *curve) {
    enum { POINTS = 48 };
    json_t *removed = json_array(), *errors = json_array();
    uint32_t points = curve->count < POINTS ? curve->count : POINTS;
    for (uint32_t i = 0; i < points; i++) {
        uint32_t at = (uint32_t)((uint64_t)(i + 1) * curve->count / points) - 1;
        pare_json_append(removed, json_integer(at + 1));
        pare_json_append(errors, pare_json_measured(curve->errors[at]));
    }
    return pare_json_of({"units", json_integer(curve->units)}, {"removed", removed}, {"error", errors});
}

static json_t *starved_json(const pare_starved *starved) {
    return pare_json_of({"experts", json_integer(starved->experts)}, {"unreached", json_integer(starved->unreached)},
                        {"expert", json_integer(starved->first)});
}

static json_t *fit_json(const pare_stage_fit *fit, const pare_stage_curve *curve) {
    json_t *json = json_object();
    if (fit->fitted) pare_json_put(json, "error", change_json(&fit->output));
    if (fit->fitted) pare_json_put(json, "damping", pare_json_real(fit->output.damping.share));
    if (fit->bias) pare_json_put(json, "bias", json_true());
    if (fit->readers_fitted) pare_json_put(json, "readers", change_json(&fit->readers));
    if (fit->starved.experts) pare_json_put(json, "inputs_of_layer", starved_json(&fit->starved));
    if (curve->errors && curve->count) pare_json_put(json, "curve", curve_json(curve));
    return json;
}

json_t *pare_report_fits(pare_stage_fit (*fits)[PARE_STAGES], pare_stage_curve (*curves)[PARE_STAGES],
                         uint32_t layers) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < layers; i++) {
        json_t *attention = fit_json(&fits[i][PARE_STAGE_ATTENTION], &curves[i][PARE_STAGE_ATTENTION]);
        json_t *ffn = fit_json(&fits[i][PARE_STAGE_FFN], &curves[i][PARE_STAGE_FFN]);
        pare_json_append(list, pare_json_of({"attention", attention}, {"ffn", ffn}));
    }
    return list;
}

static json_t *rebuilt_json(const pare_rebuilt *rebuilt) {
    return pare_json_of({"before", pare_json_real(rebuilt->before)}, {"after", pare_json_real(rebuilt->after)},
                        {"share", pare_json_real(rebuilt->share)});
}

json_t *pare_report_rebuilt(pare_rebuilt (*rebuilt)[PARE_STAGES], uint32_t layers) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < layers; i++)
        pare_json_append(list, pare_json_of({"attention", rebuilt_json(&rebuilt[i][PARE_STAGE_ATTENTION])},
                                            {"ffn", rebuilt_json(&rebuilt[i][PARE_STAGE_FFN])}));
    return list;
}
