/* Evaluations of one model, or of several side by side. */
#include "report/page_parts.h"

#include <math.h>
#include <string.h>

static bool knows(const json_t *json) {
    const json_t *first = json_array_get(pare_page_at(json, "models"), 0);
    const json_t *one = json_is_object(first) ? first : json;
    bool measured = pare_page_size(one, "texts") || pare_page_size(one, "tasks") || pare_page_at(one, "images");
    return measured && pare_page_string(one, "model");
}

static size_t count_of(const json_t *json) {
    size_t count = pare_page_size(json, "models");
    return count ? count : 1;
}

static const json_t *model_at(const json_t *json, size_t index) {
    return pare_page_size(json, "models") ? json_array_get(pare_page_at(json, "models"), index) : json;
}

static const char *name_of(const json_t *json, size_t index) {
    return pare_page_base(pare_page_string(model_at(json, index), "model"));
}

/* A row of the table: one number of every model. `list` and `key` say which entry of a list; NULL: the model itself. */
typedef struct measure {
    const char *list, *key, *value, *member;
} measure;

static const json_t *entry_of(const json_t *model, const measure *m) {
    const json_t *list = m->list ? pare_page_at(model, m->list) : NULL;
    if (!m->list) return model;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *value = pare_page_string(json_array_get(list, i), m->key);
        if (value && strcmp(value, m->value) == 0) return json_array_get(list, i);
    }
    return NULL;
}

static double number_of(const json_t *json, size_t index, const measure *m) {
    return pare_page_number(entry_of(model_at(json, index), m), m->member);
}

static void write_row(pare_page *page, const json_t *json, const char *name, const measure *m) {
    size_t count = count_of(json), found = 0;
    for (size_t i = 0; i < count; i++)
        found += isfinite(number_of(json, i, m)) ? 1 : 0;
    if (!found) return;
    pare_page_row(page);
    pare_page_cell(page, "%s", name);
    for (size_t i = 0; i < count; i++)
        pare_page_cell_number(page, number_of(json, i, m));
    pare_page_row_end(page);
}

static void write_texts(pare_page *page, const json_t *json) {
    static const struct {
        const char *member, *name;
    } rows[] = {{"perplexity", "perplexity"},
                {"kl", "KL divergence"},
                {"top1", "same first choice, share"},
                {"continuations.repeated_4grams", "continuations: repeated 4-grams, share"},
                {"continuations.against.repeated_4grams", "the same of the model compared with"},
                {"continuations.ended", "continuations that come to an end, share"},
                {"continuations.against.ended", "the same of the model compared with"},
                {"tokens", "tokens"}};
    const json_t *texts = pare_page_at(model_at(json, 0), "texts");
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *file = pare_page_string(json_array_get(texts, i), "file");
        for (size_t j = 0; file && j < sizeof rows / sizeof *rows; j++)
            write_row(page, json, pare_page_format(page, "%s, %s", rows[j].name, pare_page_base(file)),
                      &(measure){"texts", "file", file, rows[j].member});
    }
}

static void write_tasks(pare_page *page, const json_t *json) {
    const json_t *tasks = pare_page_at(model_at(json, 0), "tasks");
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const char *task = pare_page_string(json_array_get(tasks, i), "task");
        if (!task) continue;
        write_row(page, json, pare_page_format(page, "%s, right answers", task),
                  &(measure){"tasks", "task", task, "acc"});
        write_row(page, json, pare_page_format(page, "%s, right answers by length", task),
                  &(measure){"tasks", "task", task, "acc_norm"});
    }
    write_row(page, json, "mean of the tasks", &(measure){NULL, NULL, NULL, "average"});
}

static void write_images(pare_page *page, const json_t *json) {
    static const char *const members[] = {"images.files", "images.top1", "images.top5",
                                          "images.loss",  "images.kl",   "images.agreement"},
                             *const names[] = {"images",
                                               "right label, share of images",
                                               "right label among five, share",
                                               "loss on images",
                                               "KL divergence from the dense model, images",
                                               "same label as the dense model, share"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        write_row(page, json, names[i], &(measure){NULL, NULL, NULL, members[i]});
}

static void write_table(pare_page *page, const json_t *json) {
    size_t count = count_of(json);
    const char **heads = pare_page_take(page, count + 2, sizeof *heads);
    if (!heads) return;
    heads[0] = "";
    for (size_t i = 0; i < count; i++)
        heads[i + 1] = name_of(json, i);
    pare_page_table(page, heads);
    write_row(page, json, "parameters", &(measure){NULL, NULL, NULL, "parameters"});
    write_texts(page, json);
    write_tasks(page, json);
    write_images(page, json);
    pare_page_table_end(page);
    pare_page_release(page);
}

static const char **model_names(pare_page *page, const json_t *json) {
    const char **names = pare_page_take(page, count_of(json), sizeof *names);
    for (size_t i = 0; names && i < count_of(json); i++)
        names[i] = name_of(json, i);
    return names;
}

static void draw_texts(pare_page *page, const json_t *json) {
    enum { SHOWN = 8 };
    pare_chart_series series[SHOWN];
    const json_t *texts = pare_page_at(model_at(json, 0), "texts");
    size_t count = 0;
    const char **names = model_names(page, json);
    for (size_t i = 0; names && i < json_array_size(texts) && count < SHOWN; i++) {
        const char *file = pare_page_string(json_array_get(texts, i), "file");
        double *values = file ? pare_page_numbers(page, count_of(json)) : NULL;
        for (size_t j = 0; values && j < count_of(json); j++)
            values[j] = number_of(json, j, &(measure){"texts", "file", file, "perplexity"});
        if (values)
            series[count++] = (pare_chart_series){.name = pare_page_base(file), .count = count_of(json), .y = values};
    }
    if (!count) return;
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_BARS,
                                        .name = "perplexities",
                                        .title = "Perplexity of each model",
                                        .caption = "Lower is better.",
                                        .x = {.label = "perplexity"},
                                        .series = series,
                                        .series_count = count,
                                        .groups = names,
                                        .group_count = count_of(json),
                                        .lying = true});
}

static bool read_tasks(pare_page *page, const json_t *model, const char **names, pare_chart_series *out) {
    const json_t *tasks = pare_page_at(model, "tasks");
    size_t count = json_array_size(tasks);
    double *values = pare_page_numbers(page, count), *errors = pare_page_numbers(page, count);
    if (!values || !errors) return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *task = json_array_get(tasks, i);
        const char *chosen = pare_page_string(task, "chosen"), *name = pare_page_string(task, "task");
        bool norm = chosen && strcmp(chosen, "acc_norm") == 0;
        names[i] = name ? name : "";
        values[i] = 100.0 * pare_page_number(task, norm ? "acc_norm" : "acc");
        errors[i] = 100.0 * pare_page_number(task, norm ? "acc_norm_stderr" : "acc_stderr");
    }
    *out = (pare_chart_series){.count = count, .y = values, .error = errors};
    return true;
}

static void draw_tasks(pare_page *page, const json_t *json) {
    size_t models = count_of(json), tasks = pare_page_size(model_at(json, 0), "tasks"), count = 0;
    pare_chart_series *series = pare_page_take(page, models, sizeof *series);
    if (!tasks || !series) return;
    const char **names = NULL;
    for (size_t i = 0; i < models; i++) {
        if (pare_page_size(model_at(json, i), "tasks") != tasks) continue;
        names = pare_page_take(page, tasks, sizeof *names);
        if (!names || !read_tasks(page, model_at(json, i), names, &series[count])) return;
        series[count++].name = name_of(json, i);
    }
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_BARS,
                                        .name = "tasks",
                                        .title = "Right answers in each task",
                                        .caption = "The number that papers print of each task; the lines are standard "
                                                   "errors.",
                                        .x = {.label = "task"},
                                        .y = {.label = "% right"},
                                        .series = series,
                                        .series_count = count,
                                        .groups = names,
                                        .group_count = tasks});
}

static void write(pare_page *page, const json_t *json) {
    const json_t *first = model_at(json, 0);
    double window = pare_page_number(first, "window");
    const char *against = pare_page_string(first, "against"), *compute = pare_page_string(first, "compute");
    pare_page_put(page, "<p>");
    pare_page_say(page, "%zu model%s measured", count_of(json), count_of(json) == 1 ? " was" : "s were");
    if (window > 0.0 && pare_page_size(first, "texts")) pare_page_say(page, ", on windows of %.0f tokens", window);
    if (compute) pare_page_say(page, ", in %s", compute);
    if (against) pare_page_say(page, ", and compared with %s", pare_page_base(against));
    pare_page_put(page, ".</p>\n");
    write_table(page, json);
    if (count_of(json) > 1) draw_texts(page, json);
    pare_page_release(page);
    draw_tasks(page, json);
    pare_page_release(page);
    pare_page_use(page, json);
}

const pare_page_kind pare_page_evaluation = {.name = "Evaluation", .knows = knows, .write = write};
