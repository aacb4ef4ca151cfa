#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "summary.h"

#include <stdio.h>

static void print(const pare_arguments *arguments, const json_t *report) {
    const json_t *targets = pare_document_at(report, "adapter.targets");
    uint64_t peak = pare_document_count(report, "memory.anonymous_peak");
    pare_summary_print_warnings(pare_document_at(report, "warnings"));
    printf("%s parameters, ", pare_count_show(pare_document_count(report, "model.parameters")).text);
    printf("%s of %s tensors changed\n", pare_count_show(pare_document_count(report, "tensors.changed")).text,
           pare_count_show(pare_document_count(report, "tensors.all")).text);
    printf("adapter %s of rank %s on", pare_quote(arguments->adapter_folder).text,
           pare_count_show(pare_document_count(report, "adapter.rank")).text);
    for (size_t i = 0; i < json_array_size(targets); i++)
        printf("%s %s", i ? "," : "", json_string_value(json_array_get(targets, i)));
    putchar('\n');
    pare_summary_print_stages(pare_document_at(report, "seconds"));
    if (peak) printf("anonymous memory at most %s\n", pare_bytes_show(peak).text);
    pare_summary_print_output(pare_document_at(report, "output"));
}

static const char *refusal(const pare_arguments *a) {
    if (!a->model) return "MODEL is missing: the folder of the model that the adapter was trained beside";
    if (!a->adapter_folder) return "--adapter DIR is missing: the folder of the adapter to merge";
    if (!a->output) return "-o OUT is missing: the folder to write";
    return NULL;
}

static int run(const pare_arguments *arguments) {
    if (refusal(arguments)) return pare_outcome_usage("merge", refusal(arguments));
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    const pare_card_options card = pare_card_options_of(arguments);
    const pare_merge_options options = {.adapter = arguments->adapter_folder,
                                        .output = arguments->output,
                                        .force = arguments->force,
                                        .remote_code = arguments->remote_code,
                                        .card = &card,
                                        .type = arguments->type};
    pare_runtime runtime = pare_outcome_runtime(arguments);
    char *report = NULL;
    pare_status status = pare_merge(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, print);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {"MODEL --adapter DIR -o OUT [OPTION...]", NULL};
static const char *const examples[] = {"smaller --adapter adapter -o healed", NULL};

const pare_command pare_command_merge = {
    .syntax = {"merge", PARE_IN_MERGE},
    .summary = "merges an adapter that was kept apart into its model",
    .synopsis = synopsis,
    .description =
        "Adds what a LoRA adapter in PEFT's format has learnt to the weights that it was trained beside, and writes "
        "a model that loads without it: the same that pare recover writes without --adapter. OUT appears complete "
        "or not at all; MODEL and the adapter are never changed.",
    .examples = examples,
    .run = run,
};
