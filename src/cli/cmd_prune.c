#include "command.h"
#include "outcome.h"
#include "plan.h"
#include "summary.h"

/* What is wrong with the words taken together, or NULL. */
static const char *check(const pare_arguments *arguments) {
    if (!arguments->model) return "MODEL is missing: the folder of the model to prune";
    if (arguments->ratio > 0 && arguments->parameters) return "give either --ratio or --params, not both";
    if (arguments->ratio <= 0 && !arguments->parameters)
        return "say how much to remove, with --ratio 0.2 or with --params 5.4B";
    if (!arguments->output && !arguments->dry_run) return "-o OUT is missing: the folder to write (or --dry-run)";
    return NULL;
}

static pare_prune_options options_of(const pare_arguments *arguments) {
    return (pare_prune_options){
        .method = arguments->method < 0 ? NULL : pare_recipe_name((size_t)arguments->method),
        .ratio = arguments->ratio,
        .parameters = arguments->parameters,
        .layer_begin = arguments->layer_span.begin,
        .layer_end = arguments->layer_span.end,
        .round_to = arguments->round_to,
        .calibration = {.source = arguments->calibration,
                        .field = arguments->field,
                        .samples = arguments->samples,
                        .length = arguments->length,
                        .stream = arguments->stream},
        .steps = (int32_t)arguments->steps,
        .draws = (int32_t)arguments->draws,
        .sigma = arguments->sigma,
        .rho = arguments->rho,
        .gamma = arguments->gamma,
        .eta = arguments->eta,
        .displace = (pare_displace)arguments->displace,
        .seed = arguments->seed,
        .output = arguments->output,
        .dry_run = arguments->dry_run,
        .force = arguments->force,
        .scores = arguments->scores,
        .texts = arguments->texts.count ? arguments->texts.words : NULL,
        .text_count = arguments->texts.count,
        .window = arguments->window,
        .max_windows = arguments->max_windows,
    };
}

static int run(const pare_arguments *arguments) {
    const char *wrong = check(arguments);
    if (wrong) return pare_outcome_usage("prune", wrong);
    pare_model *model = NULL;
    int code = pare_outcome_open(arguments->model, &model);
    if (code != PARE_EXIT_DONE) return code;
    pare_prune_options options = options_of(arguments);
    pare_runtime runtime = pare_outcome_runtime(arguments);
    runtime.plan = pare_plan_say;
    pare_plan_say_job(arguments, &options, model);
    char *report = NULL;
    pare_status status = pare_prune(model, &options, &runtime, &report);
    code = pare_outcome_deliver(status, report, arguments, pare_summary_print);
    pare_model_close(model);
    return code;
}

static const char *const synopsis[] = {
    "MODEL -o OUT --ratio R [OPTION...]",
    "MODEL -o OUT --params P [OPTION...]",
    "MODEL --dry-run --ratio R [OPTION...]",
    NULL,
};

static const char *const examples[] = {
    "my-model -o smaller --ratio 0.2",
    "my-model -o smaller --params 5.4B --calib books.jsonl --memory 8G",
    "my-model -o smaller --ratio 0.25 --method taylor --text wiki.txt ptb.txt",
    "my-model -o smaller --ratio 0.25 --layers 4:30 --json > report.json",
    "my-model --dry-run --ratio 0.2 --scores scores.json",
    NULL,
};

const pare_command pare_command_prune = {
    .syntax = {"prune", PARE_IN_PRUNE},
    .summary = "removes heads and channels from a model and writes the smaller one",
    .synopsis = synopsis,
    .description =
        "Scores every KV group (with its query heads) and every FFN channel of a model on calibration text, removes "
        "the "
        "least important ones of each layer, and writes what is left as a checkpoint in the folder OUT. OUT appears "
        "complete or not at all; MODEL is never changed.",
    .examples = examples,
    .lists_methods = true,
    .run = run,
};
