#include "command.h"
#include "document.h"
#include "message.h"
#include "outcome.h"
#include "plan.h"
#include "summary.h"
#include "terminal.h"

#include <stdio.h>

static void print(const pare_arguments *arguments, const json_t *report) {
    pare_summary_print_stages(pare_document_at(report, "seconds"));
    printf("anonymous memory at most %s\n\nwritten to %s: importance matrix of %s x %s tokens\n",
           pare_bytes_show(pare_document_count(report, "memory.anonymous_peak")).text, arguments->output,
           pare_count_show(pare_document_count(report, "calibration.sequences")).text,
           pare_count_show(pare_document_count(report, "calibration.length")).text);
    printf("goes with llama.cpp's llama-quantize --imatrix, pare export --importance, and pare prune --calib\n");
}

static void say_job(const void *context) {
    const pare_arguments *arguments = context;
    pare_terminal_say("Plan");
    pare_terminal_say("  model        %s", arguments->model);
    pare_terminal_say("  calibration  %s", arguments->calibration ? arguments->calibration : "self");
    pare_terminal_say("  output       %s", arguments->output);
}

static int run_imatrix(const pare_arguments *arguments) {
    if (!arguments->model) return pare_outcome_usage("imatrix", "MODEL is missing: the model to measure");
    if (!arguments->output) return pare_outcome_usage("imatrix", "-o FILE.gguf is missing: the file to write");
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    const pare_imatrix_options options = {.size = sizeof options,
                                          .output = arguments->output,
                                          .calibration = {.source = arguments->calibration,
                                                          .field = arguments->field,
                                                          .samples = arguments->samples,
                                                          .length = arguments->length},
                                          .seed = arguments->seed};
    pare_runtime runtime = pare_outcome_runtime(arguments);
    pare_announcement announcement = {.say = say_job, .context = arguments};
    pare_plan_announce(&announcement, &runtime);
    char *report = NULL;
    pare_status status = pare_imatrix(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, print);
    pare_model_close(model);
    return code;
}

static const char *const imatrix_synopsis[] = {"MODEL -o FILE.gguf [OPTION...]", NULL};
static const char *const imatrix_examples[] = {"my-model -o my-model.imatrix.gguf --calib wiki.txt --samples 256",
                                               "smaller.gguf -o smaller.imatrix.gguf --calib wiki.txt --length 512",
                                               NULL};

const pare_command pare_command_imatrix = {
    .syntax = {"imatrix", PARE_IN_IMATRIX},
    .summary = "measures an importance matrix, for llama.cpp's llama-quantize",
    .synopsis = imatrix_synopsis,
    .description =
        "Runs the model over text and writes, as llama.cpp's llama-imatrix does, the sums of squares of what enters "
        "each of its matrices, by the names that a GGUF file has for them, also of models whose layers differ in their "
        "widths. llama-quantize weighs columns by them; pare prune takes the file in place of calibration text for "
        "methods that read norms of inputs alone. What is at FILE.gguf is replaced.",
    .examples = imatrix_examples,
    .run = run_imatrix,
};
