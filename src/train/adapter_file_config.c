/* adapter_config.json, as peft's LoraConfig is stored: one object, whose fields below say how the factors in
 * adapter_model.safetensors are meant.
 *
 *   peft_type            "LORA"
 *   r, lora_alpha        scale = lora_alpha / r, with use_rslora lora_alpha / sqrt(r)
 *   lora_dropout         of training
 *   target_modules       names, or "all-linear", or an expression: what training chose; the file's tensors say the same
 *   target_parameters    parameters of modules (adapter_experts.h), as target_modules
 *   rank_pattern, alpha_pattern   of fused modules: that of their parts together (adapter_module.h)
 *   fan_in_fan_out       how the base model stores its matrices; what kind of module it is says the same
 *   bias, use_dora, modules_to_save, ...   more than one product of factors per matrix
 *
 * Fields that only say where an adapter comes from are passed over. Any other must say nothing (null, false, "none",
 * empty): one that is not known here could mean anything. */
#include "checkpoint/hub.h"
#include "checkpoint/safetensors.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/path.h"
#include "train/adapter_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20 };

/* Of training or of the program that wrote the file: none of these changes what the factors do. */
static const char *const passed_over[] = {
    "auto_mapping",    "base_model_name_or_path",
    "corda_config",    "eva_config",
    "exclude_modules", "inference_mode",
    "layers_pattern",  "loftq_config",
    "lora_ga_config",  "megatron_core",
    "peft_version",    "qalora_group_size",
    "revision",        "runtime_config",
    "target_modules",  "target_parameters",
    "task_type",       "layers_to_transform",
    "lora_dropout",    "r",
    "lora_alpha",      "use_rslora",
    "peft_type",       "init_lora_weights",
    "fan_in_fan_out",
};

/* Starts after which the base model's weights are not those in its file. */
static const char *const changed_starts[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};

static bool is_passed_over(const char *key) {
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
        if (strcmp(key, passed_over[i]) == 0) return true;
    return false;
}

/* null, false, "none", "" or an empty collection */
static bool says_nothing(const json_t *value) {
    const char *text = json_string_value(value);
    if (text) return !*text || strcmp(text, "none") == 0;
    if (json_is_object(value)) return json_object_size(value) == 0;
    if (json_is_array(value)) return json_array_size(value) == 0;
    return json_is_null(value) || json_is_false(value);
}

/* The field's value; freed with free(). */
static char *shown(const json_t *value) {
    enum { SHOWN = 57 };
    return pare_json_shown(value, SHOWN);
}

static pare_status refuse(const char *path, const char *key, const json_t *value, const char *why) {
    char *text = shown(value);
    pare_status status = pare_fail(PARE_UNSUPPORTED, "%s: %.64s is %s: %s", path,
                                   pare_name_is_plain(key) ? key : "a field with an odd name", text, why);
    free(text);
    return status;
}

static pare_status check_start(const char *path, const json_t *start) {
    const char *name = json_string_value(start);
    for (size_t i = 0; name && i < sizeof changed_starts / sizeof *changed_starts; i++)
        if (strncmp(name, changed_starts[i], strlen(changed_starts[i])) == 0)
            return refuse(path, "init_lora_weights", start,
                          "such a start changes the base model's weights; save it as a plain LoRA with peft");
    return PARE_OK;
}

/* Ranks of fused modules, with alphas that leave the scale as it is elsewhere: what pare writes, and what the factors
 * must then show. */
static bool is_of_parts(const json_t *config) {
    const json_t *ranks = json_object_get(config, "rank_pattern"), *alphas = json_object_get(config, "alpha_pattern");
    double rank = json_number_value(json_object_get(config, "r"));
    double alpha = json_number_value(json_object_get(config, "lora_alpha"));
    const char *module;
    json_t *value;
    if (!json_object_size(ranks) || json_object_size(ranks) != json_object_size(alphas)) return false;
    if (json_is_true(json_object_get(config, "use_rslora"))) return false;
    json_object_foreach((json_t *)(uintptr_t)ranks, module, value) {
        double times = json_number_value(value) / rank;
        double other = json_number_value(json_object_get(alphas, module)) / alpha;
        if (!(times >= 2 && times <= (int)PARE_COMPOSITE_PARTS && floor(times) == times)) return false;
        if (!(fabs(other - times) < 1e-9)) return false;
    }
    return true;
}

static bool is_pattern(const char *key) {
    return strcmp(key, "rank_pattern") == 0 || strcmp(key, "alpha_pattern") == 0;
}

static pare_status check_fields(const char *path, const json_t *config) {
    const char *key;
    json_t *value;
    const char *kind = json_string_value(json_object_get(config, "peft_type"));
    if (!kind) return pare_fail(PARE_FORMAT_ERROR, "%s has no peft_type; it is no adapter of PEFT", path);
    if (strcmp(kind, "LORA") != 0)
        return refuse(path, "peft_type", json_object_get(config, "peft_type"), "pare reads LORA adapters");
    json_object_foreach(
        (json_t *)(uintptr_t)config, key,
        value) if (!is_passed_over(key) && !says_nothing(value) &&
                   !(is_pattern(key) &&
                     is_of_parts(
                         config))) return refuse(path, key, value,
                                                 "pare reads plain LoRA adapters without it; merge it with peft");
    return check_start(path, json_object_get(config, "init_lora_weights"));
}

static pare_status read_number(const char *path, const json_t *config, const char *key, double least, double most,
                               double *out) {
    const json_t *value = json_object_get(config, key);
    *out = json_number_value(value);
    if (json_is_number(value) && *out >= least && *out <= most) return PARE_OK;
    char *text = value ? shown(value) : pare_format("missing");
    pare_status status = pare_fail(PARE_FORMAT_ERROR, "%s: %s is %s, but should be a number from %.10g to %.10g", path,
                                   key, text, least, most);
    free(text);
    return status;
}

static pare_status read_fields(const char *path, const json_t *config, pare_lora_options *options) {
    double rank, alpha, dropout = 0.0;
    PARE_TRY(check_fields(path, config));
    PARE_TRY(read_number(path, config, "r", 1, 1 << 20, &rank));
    PARE_TRY(read_number(path, config, "lora_alpha", 1e-9, 1e9, &alpha));
    if (json_object_get(config, "lora_dropout"))
        PARE_TRY(read_number(path, config, "lora_dropout", 0, 0.999, &dropout));
    if (!json_is_integer(json_object_get(config, "r")))
        return pare_fail(PARE_FORMAT_ERROR, "%s: r is %g, but a rank is a whole number", path, rank);
    options->rank = (uint32_t)rank;
    options->alpha = json_is_true(json_object_get(config, "use_rslora")) ? alpha * sqrt(rank) : alpha;
    options->dropout = dropout;
    return PARE_OK;
}

pare_status pare_adapter_config_read(const char *directory, pare_lora_options *options) {
    char *text, *path = pare_path_join(directory, PARE_ADAPTER_CONFIG);
    size_t bytes;
    json_error_t error;
    pare_status status = pare_file_read(path, CONFIG_LIMIT, &text, &bytes);
    if (status == PARE_OK) {
        json_t *config = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
        status = json_is_object(config)
                     ? read_fields(path, config, options)
                     : pare_fail(PARE_FORMAT_ERROR, "%s is not a JSON object (line %d); the file is damaged", path,
                                 config ? 1 : error.line);
        json_decref(config);
        pare_free(text);
    }
    free(path);
    return status;
}

static json_t *number(double value) {
    return floor(value) == value && fabs(value) < 1e15 ? json_integer((json_int_t)value) : pare_json_real(value);
}

/* What is said of the modules with factors: names, in target_modules or target_parameters; and of fused ones the rank
 * and the alpha of all parts together, so that the scale stays. */
typedef struct said {
    json_t *targets, *parameters, *ranks, *alphas, *layers;
} said;

static bool lists(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return true;
    return false;
}

static void say_module(said *s, const pare_model *model, const pare_adapter_module *module,
                       const pare_lora_options *options) {
    char target[PARE_NAME_BYTES];
    int parts = module->parts.count;
    json_t *list = pare_adapter_module_is_parameter(model, module) ? s->parameters : s->targets;
    pare_adapter_module_target(model, module, target);
    if (lists(list, target)) return;
    pare_json_append(list, pare_json_string(target));
    if (parts == 1) return;
    pare_json_put(s->ranks, target, json_integer((json_int_t)options->rank * parts));
    pare_json_put(s->alphas, target, number(options->alpha * parts));
}

/* layers: those with factors, or null if these are all. */
static said say_modules(const pare_trained *lora, const pare_lora_options *options) {
    said s = {json_array(), json_array(), json_object(), json_object(), json_array()};
    int64_t last = -1;
    for (size_t id = 0; id < lora->model->tensor_count; id++) {
        pare_adapter_module module;
        if (!pare_adapter_module_of(lora->model, id, &module) || !pare_adapter_module_has(lora, &module)) continue;
        say_module(&s, lora->model, &module, options);
        if (module.layer != last) pare_json_append(s.layers, json_integer(module.layer));
        last = module.layer;
    }
    if (json_array_size(s.layers) < lora->model->config.layers) return s;
    json_decref(s.layers);
    s.layers = json_null();
    return s;
}

/* A snapshot of the Hub's cache has a name and a commit, by which other machines find it, too. */
static void say_base(const char *base, json_t **name, json_t **revision) {
    static const char above[] = "/snapshots/";
    enum { ABOVE = sizeof above - 1 };
    char *id = pare_hub_id(base), *place = id ? realpath(base, NULL) : NULL;
    const char *commit = place ? pare_path_name(place) : NULL;
    bool snapshot = commit && commit - place >= ABOVE && memcmp(commit - ABOVE, above, ABOVE) == 0;
    *name = snapshot ? pare_json_string(id) : pare_json_name(base);
    *revision = snapshot ? pare_json_name(commit) : json_null();
    free(place);
    free(id);
}

pare_status pare_adapter_config_text(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                     char **text) {
    said s = say_modules(lora, options);
    json_t *name, *revision;
    say_base(base, &name, &revision);
    bool pictures = pare_reads_pictures(&lora->model->config); /* peft has no task of its own for these */
    bool parameters = json_array_size(s.parameters) > 0;       /* peft has no dropout beside these */
    double dropout = parameters ? 0.0 : options->dropout;
    json_t *config = pare_json_of(
        {"peft_type", pare_json_string("LORA")}, {"task_type", pictures ? json_null() : pare_json_string("CAUSAL_LM")},
        {"auto_mapping", json_null()}, {"base_model_name_or_path", name}, {"revision", revision},
        {"inference_mode", json_boolean(1)}, {"r", json_integer(options->rank)}, {"target_modules", s.targets},
        {"lora_alpha", number(options->alpha)}, {"lora_dropout", pare_json_real(dropout)},
        {"fan_in_fan_out", json_boolean(lora->model->config.family->transposed)}, {"bias", pare_json_string("none")},
        {"use_rslora", json_boolean(0)}, {"modules_to_save", json_null()}, {"init_lora_weights", json_boolean(1)},
        {"layers_to_transform", s.layers}, {"layers_pattern", json_null()}, {"rank_pattern", s.ranks},
        {"alpha_pattern", s.alphas}, {"use_dora", json_boolean(0)}, {"layer_replication", json_null()},
        {"exclude_modules", json_null()});
    if (parameters)
        pare_json_put(config, "target_parameters", s.parameters);
    else
        json_decref(s.parameters);
    return pare_json_text_of(config, "adapter_config.json", text);
}
