#include "cmd_export.h"
#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "summary.h"

#include <stdio.h>

static void print(const pare_arguments *arguments, const json_t *report) {
    uint64_t peak = pare_document_count(report, "memory.anonymous_peak");
    (void)arguments;
    printf("%s parameters\n", pare_count_show(pare_document_count(report, "model.parameters")).text);
    pare_summary_print_stages(pare_document_at(report, "seconds"));
    if (peak) printf("anonymous memory at most %s\n", pare_bytes_show(peak).text);
    pare_summary_print_output(pare_document_at(report, "output"));
}

int pare_export_write(const pare_arguments *arguments, const char *output) {
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    const pare_export_options options = {.size = sizeof options,
                                         .output = output,
                                         .type = arguments->type,
                                         .force = arguments->force,
                                         .importance = arguments->importance,
                                         .remote_code = arguments->remote_code};
    pare_runtime runtime = pare_outcome_runtime(arguments);
    char *report = NULL;
    pare_status status = pare_export(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, print);
    pare_model_close(model);
    return code;
}

static int run_export(const pare_arguments *arguments) {
    if (!arguments->model) return pare_outcome_usage("export", "MODEL is missing: the model to write in another form");
    if (!arguments->output) return pare_outcome_usage("export", "-o OUT.gguf is missing: the file to write");
    return pare_export_write(arguments, arguments->output);
}

static const char *const export_synopsis[] = {"MODEL -o OUT.gguf [OPTION...]", NULL};
static const char *const export_examples[] = {"smaller -o smaller.gguf", "smaller -o smaller.gguf --type q4_k_m", NULL};

const pare_command pare_command_export = {
    .syntax = {"export", PARE_IN_EXPORT},
    .summary = "writes a model as a GGUF file, for llama.cpp",
    .synopsis = export_synopsis,
    .description =
        "Writes the model, its tokenizer and its chat template as one GGUF file, which llama.cpp and what is "
        "built on it read; layers may differ in their widths. The file is opened again and compared with "
        "the model before it appears. What was pruned is in its metadata.",
    .examples = export_examples,
    .run = run_export,
};
