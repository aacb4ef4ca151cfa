#include "../support/suggest.h"
#include "command.h"
#include "eval_tables.h"
#include "json_text.h"
#include "measured_on.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAMES = 64 };

/* Everything that is open, and what came out. */
typedef struct evaluation {
    const pare_arguments *arguments;
    char *list; /* holds the tasks' names; all tasks are wanted without one */
    const char *names[MOST_NAMES];
    size_t name_count;
    pare_model **models; /* [count] */
    pare_eval_row *rows; /* [count] */
    size_t count;
    pare_model *against;
    pare_tasks *tasks;
    pare_page_place page;
} evaluation;

static int check_name(const char *name) {
    for (size_t i = 0; pare_task_name(i); i++)
        if (strcmp(pare_task_name(i), name) == 0) return PARE_EXIT_DONE;
    const char *near = pare_suggestion_find(name, pare_task_name);
    pare_terminal_fail("pare eval: there is no task %s%s%s%s", pare_quote(name).text, near ? ", did you mean " : "",
                       near ? near : "; 'pare eval --help' lists them", near ? "?" : "");
    return PARE_EXIT_USAGE;
}

/* Takes the names that commas divide apart. */
static int split_names(evaluation *e) {
    const char *given = e->arguments->tasks;
    int code = PARE_EXIT_DONE;
    if (!given || strcmp(given, "all") == 0) return code;
    char *rest = e->list = strdup(given);
    if (!rest) {
        pare_terminal_fail("there is not enough memory to read the command line");
        return PARE_EXIT_FAILED;
    }
    for (char *name; code == PARE_EXIT_DONE && e->name_count < MOST_NAMES && (name = strsep(&rest, ","));) {
        code = check_name(name);
        e->names[e->name_count++] = name;
    }
    return code;
}

static int open_tasks(evaluation *e) {
    const pare_arguments *a = e->arguments;
    if (!a->tasks) return PARE_EXIT_DONE;
    const char *protocol = a->task_protocol < 0 ? NULL : pare_task_protocol_name((size_t)a->task_protocol);
    const pare_tasks_options options = {
        .names = e->names, .name_count = e->name_count, .data = a->data, .protocol = protocol, .limit = a->limit};
    return pare_outcome_exit(pare_tasks_open(&options, &e->tasks));
}

/* All models before the first is evaluated: a wrong name at the end is found at once. */
static int open_models(evaluation *e) {
    const pare_word_list *names = &e->arguments->models;
    e->models = calloc(names->count, sizeof(pare_model *));
    e->rows = calloc(names->count, sizeof *e->rows);
    if (!e->models || !e->rows) {
        pare_terminal_fail("there is not enough memory for %zu models", names->count);
        return PARE_EXIT_FAILED;
    }
    int code = PARE_EXIT_DONE;
    for (; e->count < names->count && code == PARE_EXIT_DONE; e->count++)
        code = pare_measured_on_open(e->arguments, names->words[e->count], &e->models[e->count]);
    if (code == PARE_EXIT_DONE && e->arguments->against) code = pare_outcome_open(e->arguments->against, &e->against);
    return code;
}

static int evaluate(evaluation *e, size_t index) {
    const pare_arguments *a = e->arguments;
    pare_evaluate_options options = {
        .texts = pare_measured_on_of(a).list,
        .text_count = pare_measured_on_of(a).count,
        .window = a->window,
        .max_windows = a->max_windows,
        .continuations = a->continuations,
        .against = e->against,
        .seed = a->seed,
        .adapter = a->adapter_folder,
        .tasks = e->tasks,
        .items = a->items,
        .lm_eval_json = a->lm_eval_json,
    };
    pare_runtime runtime = pare_outcome_runtime(a);
    char *report = NULL;
    pare_status status = pare_evaluate(e->models[index], &options, &runtime, &report);
    pare_terminal_clear();
    if (status != PARE_OK) return pare_outcome_exit(status);
    e->rows[index] =
        (pare_eval_row){a->models.words[index], pare_model_parameters(e->models[index]), json_loads(report, 0, NULL)};
    pare_text_free(report);
    return PARE_EXIT_DONE;
}

/* One model's report as it is; of several, a list. */
static json_t *document_of(const evaluation *e) {
    json_t *list = json_array();
    for (size_t i = 0; i < e->count; i++)
        pare_json_append(list, pare_json_same(e->rows[i].report));
    json_t *document = e->count > 1 ? pare_json_of({"models", list}) : pare_json_same(json_array_get(list, 0));
    if (e->count == 1) json_decref(list);
    pare_json_put(document, "command", pare_json_name(e->arguments->command));
    return document;
}

/* Returns the exit code. */
static int deliver(const evaluation *e) {
    json_t *document = document_of(e);
    int code = PARE_EXIT_DONE;
    if (e->arguments->json)
        code = pare_json_text_print(document, "the report", JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    else
        pare_eval_tables_print(e->arguments, e->rows, e->count);
    if (code == PARE_EXIT_DONE) code = pare_page_write_json(&e->page, document);
    json_decref(document);
    return code;
}

static void close_all(evaluation *e) {
    for (size_t i = 0; e->models && i < e->count; i++)
        if (e->models[i]) pare_model_close(e->models[i]);
    for (size_t i = 0; e->rows && i < e->count; i++)
        json_decref(e->rows[i].report);
    if (e->against) pare_model_close(e->against);
    pare_tasks_close(e->tasks);
    pare_page_end(&e->page);
    free(e->models);
    free(e->rows);
    free(e->list);
}

/* A sentence for options that do not go together, or NULL. */
static const char *refusal(const pare_arguments *a) {
    if (!a->texts.count && !a->tasks && !a->images)
        return "--text is missing: files to measure the perplexity on (or --tasks with --data, or --images)";
    if (!a->model) return "MODEL is missing: the folder of the model to evaluate, best written first";
    if (a->tasks && !a->data) return "--tasks needs --data: the folder with the tasks' files";
    if (!a->tasks && (a->data || a->limit || a->items || a->lm_eval_json || a->task_protocol >= 0))
        return "--data, --limit, --protocol, --save-items and --lm-eval-json go with --tasks, which is missing";
    if (a->items && a->models.count > 1) return "--save-items takes one MODEL; run it once for each";
    if (a->lm_eval_json && a->models.count > 1) return "--lm-eval-json takes one MODEL; run it once for each";
    if (a->adapter_folder && a->models.count > 1)
        return "--adapter belongs to one MODEL; compare it with what pare merge makes of both";
    if (pare_measured_on_refusal(a)) return pare_measured_on_refusal(a);
    if (a->json && a->markdown) return "--json and --markdown are two ways to print the result; take one";
    return NULL;
}

static int run(const pare_arguments *arguments) {
    evaluation e = {.arguments = arguments};
    if (refusal(arguments)) return pare_outcome_usage("eval", refusal(arguments));
    int code = split_names(&e);
    if (code == PARE_EXIT_DONE) code = pare_page_prepare(arguments, NULL, &e.page);
    if (code == PARE_EXIT_DONE) code = open_models(&e);
    if (code == PARE_EXIT_DONE) code = open_tasks(&e);
    for (size_t i = 0; i < e.count && code == PARE_EXIT_DONE; i++)
        code = evaluate(&e, i);
    if (code == PARE_EXIT_DONE) code = deliver(&e);
    close_all(&e);
    return code;
}

static const char *const synopsis[] = {"MODEL... --text FILE... [OPTION...]", "MODEL... --images DIR [OPTION...]",
                                       "MODEL... --tasks all --data DIR [--text FILE...] [OPTION...]", NULL};
static const char *const examples[] = {
    "my-model --text wiki.txt",
    "smaller --text wiki.txt ptb.txt --against my-model --json",
    "smaller --text self --against my-model --seed 7",
    "smaller-vit --images val --against my-vit",
    "smaller --adapter adapter --text wiki.txt",
    "my-model smaller recovered --tasks all --data tasks --text wiki.txt",
    "smaller --tasks piqa,arc_easy --data tasks --limit 100 --save-items items.jsonl",
    NULL,
};

const pare_command pare_command_eval = {
    .syntax = {"eval", PARE_IN_EVAL},
    .summary = "measures perplexity, zero-shot accuracy, and how close a pruned model is to its dense one",
    .synopsis = synopsis,
    .description =
        "Perplexity of texts in consecutive windows that do not overlap, each text one stream with one BOS in "
        "front. With --against also the mean KL divergence from a dense model and how often both predict the "
        "same token. Of pictures (--images) the accuracy and the loss. With --tasks accuracies of the seven zero-shot "
        "tasks that papers on pruning report, by the "
        "rules of lm-evaluation-harness. Several models make one table.",
    .examples = examples,
    .spread = true,
    .run = run,
};
