#include "report/lm_eval.h"

#include <pare/base.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Where the harness has no number: a single document has no standard error. */
static void put_error(json_t *json, const char *name, double error) {
    pare_json_put(json, name, isfinite(error) ? pare_json_real(error) : pare_json_string("N/A"));
}

static json_t *result_json(const pare_task_result *task) {
    json_t *json =
        pare_json_of({"alias", pare_json_string(task->task)}, {"acc,none", pare_json_real(task->plain.value)});
    put_error(json, "acc_stderr,none", task->plain.error);
    if (!task->has_norm) return json;
    pare_json_put(json, "acc_norm,none", pare_json_real(task->norm.value));
    put_error(json, "acc_norm_stderr,none", task->norm.error);
    return json;
}

static json_t *config_json(const pare_task_result *task) {
    return pare_json_of({"task", pare_json_string(task->task)}, {"dataset_path", pare_json_name(task->file)},
                        {"output_type", pare_json_string("multiple_choice")}, {"num_fewshot", json_integer(0)},
                        {"metadata", pare_json_of({"version", pare_json_real(task->version)})});
}

static json_t *better_json(const pare_task_result *task) {
    json_t *json = pare_json_of({"acc", json_true()});
    if (task->has_norm) pare_json_put(json, "acc_norm", json_true());
    return json;
}

static json_t *samples_json(const pare_task_result *task) {
    return pare_json_of({"original", pare_json_count(task->rows)}, {"effective", pare_json_count(task->documents)});
}

static json_t *version_json(const pare_task_result *task) {
    return pare_json_real(task->version);
}

static json_t *shots_json(const pare_task_result *task) {
    (void)task;
    return json_integer(0);
}

static json_t *no_subtasks_json(const pare_task_result *task) {
    (void)task;
    return json_array();
}

static json_t *limit_json(const pare_evaluation_results *r) {
    uint64_t most = 0;
    for (size_t i = 0; i < r->task_count; i++)
        if (r->tasks[i].documents < r->tasks[i].rows && r->tasks[i].documents > most) most = r->tasks[i].documents;
    return most ? pare_json_real((double)most) : json_null();
}

/* As the harness names folders. */
static json_t *sanitized_json(const char *name) {
    json_t *json = NULL;
    char *text = malloc(2 * strlen(name) + 1), *end = text;
    if (text) {
        for (const char *c = name; *c; c++) {
            bool odd = strchr("\"<>:/\\|?*[]", *c) != NULL;
            if (!odd) *end++ = *c;
            if (odd && (c == name || !strchr("\"<>:/\\|?*[]", c[-1]))) *end++ = '_', *end++ = '_';
        }
        *end = 0;
        json = pare_json_name(text);
    }
    free(text);
    return json;
}

/* Of the day, unless what builds again sets it. */
static json_t *date_json(void) {
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    char *end;
    long long epoch = fixed ? strtoll(fixed, &end, 10) : 0;
    if (fixed && *fixed && !*end) return pare_json_real((double)epoch);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return pare_json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9);
}

static json_t *run_json(const pare_evaluation_results *r) {
    return pare_json_of(
        {"model", pare_json_string("pare")}, {"model_args", pare_json_of({"pretrained", pare_json_name(r->model)})},
        {"model_num_parameters", pare_json_count(r->parameters)}, {"model_dtype", pare_json_string(r->compute)},
        {"batch_size", pare_json_string("auto")}, {"batch_sizes", json_array()}, {"device", pare_json_string("cpu")},
        {"use_cache", json_null()}, {"limit", limit_json(r)}, {"bootstrap_iters", json_integer(0)},
        {"gen_kwargs", json_null()}, {"random_seed", pare_json_count(r->seed)}, {"numpy_seed", json_null()},
        {"torch_seed", json_null()}, {"fewshot_seed", json_null()});
}

static void put_tokens(json_t *json, const pare_config *config) {
    static const char *const texts[] = {"tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        pare_json_put(json, texts[i], json_null());
    pare_json_put(json, "eot_token_id", config->eos < 0 ? json_null() : json_integer(config->eos));
    pare_json_put(json, "max_length", json_integer(config->max_positions));
}

static void put_model(json_t *json, const pare_evaluation_results *r) {
    pare_json_put(json, "model_source", pare_json_string("pare"));
    pare_json_put(json, "model_name", pare_json_name(r->model));
    pare_json_put(json, "model_name_sanitized", sanitized_json(r->model));
    pare_json_put(json, "system_instruction", json_null());
    pare_json_put(json, "system_instruction_sha", json_null());
    pare_json_put(json, "fewshot_as_multiturn", json_false());
    pare_json_put(json, "chat_template", json_null());
    pare_json_put(json, "chat_template_sha", json_null());
    pare_json_put(json, "start_time", pare_json_real(0));
    pare_json_put(json, "end_time", pare_json_real(r->seconds));
    pare_json_put(json, "total_evaluation_time_seconds", pare_json_format("%.3f", r->seconds));
}

json_t *pare_report_lm_eval(const pare_evaluation_results *r, const pare_config *config) {
    static const struct {
        const char *name;
        json_t *(*make)(const pare_task_result *task);
    } members[] = {{"results", result_json},   {"group_subtasks", no_subtasks_json},
                   {"configs", config_json},   {"versions", version_json},
                   {"n-shot", shots_json},     {"higher_is_better", better_json},
                   {"n-samples", samples_json}};
    json_t *json = json_object();
    for (size_t m = 0; m < sizeof members / sizeof *members; m++) {
        json_t *object = json_object();
        for (size_t i = 0; i < r->task_count; i++)
            pare_json_put(object, r->tasks[i].task, members[m].make(&r->tasks[i]));
        pare_json_put(json, members[m].name, object);
    }
    pare_json_put(json, "config", run_json(r));
    pare_json_put(json, "git_hash", json_null());
    pare_json_put(json, "date", date_json());
    pare_json_put(
        json, "pare",
        pare_json_of({"version", pare_json_string(pare_version())}, {"protocol", pare_json_string(r->protocol)}));
    pare_json_put(json, "transformers_version", json_null());
    pare_json_put(json, "upper_git_hash", json_null());
    put_tokens(json, config);
    pare_json_put(json, "task_hashes", json_object());
    put_model(json, r);
    return json;
}
