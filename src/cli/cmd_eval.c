#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "table.h"

static void print_cells(pare_table *table, const json_t *text, bool compared) {
    pare_table_cell(table, "%s", pare_document_text(text, "file"));
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(text, "tokens")).text);
    pare_table_cell(table, "%s", pare_count_show(pare_document_count(text, "windows")).text);
    pare_table_cell(table, "%.3f", pare_document_number(text, "perplexity", 0));
    pare_table_cell(table, "%.4f", pare_document_number(text, "nll", 0));
    if (!compared) return;
    pare_table_cell(table, "%.4f", pare_document_number(text, "kl", 0));
    pare_table_cell(table, "%.2f %%", 100 * pare_document_number(text, "top1", 0));
}

static void show(const pare_arguments *arguments, const json_t *report) {
    static const char *const titles[] = {"text", "tokens", "windows", "perplexity", "nll", "KL", "top-1"};
    bool compared = arguments->against != NULL;
    const json_t *texts = pare_document_at(report, "texts");
    pare_table *table = pare_table_new(compared ? "lrrrrrr" : "lrrrr");
    for (size_t i = 0; i < (compared ? 7 : 5); i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(texts); i++)
        print_cells(table, json_array_get(texts, i), compared);
    pare_table_print(table, stdout);
    pare_table_free(table);
    if (compared)
        printf("\nKL: mean divergence from %s in nats per token; top-1: how often both predict the same token\n",
               arguments->against);
}

static int evaluate(const pare_arguments *arguments, const pare_model *model, const pare_model *against) {
    pare_evaluate_options options = {
        .texts = arguments->texts.words,
        .text_count = arguments->texts.count,
        .window = arguments->window,
        .max_windows = arguments->max_windows,
        .against = against,
        .seed = arguments->seed,
    };
    pare_runtime runtime = pare_outcome_runtime(arguments);
    char *report = NULL;
    pare_status status = pare_evaluate(model, &options, &runtime, &report);
    return pare_outcome_deliver(status, report, arguments, show);
}

static int run(const pare_arguments *arguments) {
    if (!arguments->texts.count)
        return pare_outcome_usage("eval", "--text is missing: files to measure the perplexity on");
    if (!arguments->model)
        return pare_outcome_usage("eval", "MODEL is missing: the folder of the model to evaluate, best written first");
    pare_model *model = NULL, *against = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code == PARE_EXIT_DONE && arguments->against) code = pare_outcome_open(arguments->against, &against);
    if (code == PARE_EXIT_DONE) code = evaluate(arguments, model, against);
    if (against) pare_model_close(against);
    if (model) pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL --text FILE... [OPTION...]", NULL};
static const char *const examples[] = {
    "my-model --text wiki.txt",
    "smaller --text wiki.txt ptb.txt --against my-model --json",
    "smaller --text self --against my-model --seed 7",
    NULL,
};

const pare_command pare_command_eval = {
    .syntax = {"eval", PARE_IN_EVAL},
    .summary = "measures perplexity, and how close a pruned model is to its dense one",
    .synopsis = synopsis,
    .description =
        "Perplexity of texts in consecutive windows that do not overlap, each text one stream with one BOS in "
        "front. With --against also the mean KL divergence from a dense model and how often both predict the "
        "same token.",
    .examples = examples,
    .run = run,
};
