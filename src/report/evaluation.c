#include "report/evaluation.h"

#include <math.h>

static json_t *text_json(const pare_text_result *text, bool compared) {
    json_t *json = pare_json_of({"file", pare_json_name(text->file)});
    pare_json_put_measured(json, "perplexity", exp(text->nll));
    pare_json_put(json, "nll", pare_json_real(text->nll));
    pare_json_put(json, "tokens", pare_json_count(text->tokens));
    pare_json_put(json, "windows", pare_json_count(text->windows));
    pare_json_put(json, "sha256", pare_json_string(text->digest));
    if (compared) {
        pare_json_put(json, "kl", pare_json_real(text->kl));
        pare_json_put(json, "top1", pare_json_real(text->top1));
    }
    if (text->continuations.texts) {
        json_t *written = pare_report_continuations(&text->continuations);
        if (text->against.texts) pare_json_put(written, "against", pare_report_continuations(&text->against));
        pare_json_put(json, "continuations", written);
    }
    if (text->note) pare_json_put(json, "note", pare_json_string(text->note));
    return json;
}

static void put_tasks(json_t *json, const pare_evaluation_results *r) {
    json_t *tasks = json_array();
    double sum = 0.0;
    for (size_t i = 0; i < r->task_count; i++) {
        pare_json_append(tasks, pare_report_task(&r->tasks[i]));
        sum += pare_task_chosen(&r->tasks[i]);
    }
    double average = sum / (double)r->task_count;
    pare_json_put(json, "parameters", pare_json_count(r->parameters));
    pare_json_put(json, "protocol", pare_json_string(r->protocol));
    pare_json_put(json, "tasks", tasks);
    pare_json_put(json, "average", pare_json_real(average));
    if (r->all_tasks) pare_json_put(json, "qa_average", pare_json_real(average));
}

static json_t *texts_json(const pare_evaluation_results *r) {
    json_t *texts = json_array();
    for (size_t i = 0; i < r->text_count; i++)
        pare_json_append(texts, text_json(&r->texts[i], r->against != NULL));
    return texts;
}

static json_t *images_json(const pare_evaluation_results *r) {
    json_t *images = pare_report_picture_scores(r->pictures);
    pare_json_put(images, "file", pare_json_name(r->texts[0].file));
    pare_json_put(images, "sha256", pare_json_string(r->texts[0].digest));
    if (r->texts[0].note) pare_json_put(images, "note", pare_json_string(r->texts[0].note));
    return images;
}

json_t *pare_report_evaluation(const void *results) {
    const pare_evaluation_results *r = results;
    json_t *json = pare_json_of({"model", pare_json_name(r->model)}, {"compute", pare_json_string(r->compute)});
    if (!r->pictures) pare_json_put(json, "window", json_integer(r->window));
    pare_json_put(json, "seed", pare_json_count(r->seed));
    if (!r->pictures) pare_json_put(json, "texts", texts_json(r));
    pare_json_put(json, "seconds", pare_json_real(r->seconds));
    pare_json_put(json, "stages", pare_report_stage_costs(r->stages, r->stage_count));
    if (r->rank_count) pare_json_put(json, "ranks", pare_report_ranks(r->ranks, r->rank_count));
    if (r->pictures) pare_json_put(json, "images", images_json(r));
    if (r->against) pare_json_put(json, "against", pare_json_name(r->against));
    if (r->adapter) pare_json_put(json, "adapter", pare_json_name(r->adapter));
    if (r->protocol) put_tasks(json, r);
    return json;
}
